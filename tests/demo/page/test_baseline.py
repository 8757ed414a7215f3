"""Ten seconds as neutral change what stands beside the bars and nothing else; each half's own answer is shown."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from mmadfer.config import InputSpec
from tests.support.live import FollowingRecognizer, chromium_arguments, fake_devices
from tests.support.pages import SLOW, part, start

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
LABELS = InputSpec().labels


class Bearing(FollowingRecognizer):
    """Its weights bear the absence of either half."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = dataclasses.replace(self.spec, handles_missing=("face", "audio"))
        self.exact_seconds = 0.001


@pytest.fixture(scope="module")
def page(chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    devices = fake_devices(clips / "derived_face_jfk_6s_44k.mp4", tmp_path_factory.mktemp("devices"))
    app = App(load=Bearing)
    url = app.launch()
    app.load()
    errors: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(*devices))
        made = browser.new_page()
        made.on("pageerror", lambda error: errors.append(str(error)))
        made.goto(url)
        start(made)
        yield made
        browser.close()
    app.close()
    assert not errors, errors


def test_what_face_and_voice_say_alone_stands_below_the_bars(page: Any) -> None:
    halves = part(page, "halves")
    halves.wait_for(timeout=SLOW)
    words = halves.inner_text()
    assert re.search(r"Face alone\s+happiness \d+ %", words), words
    assert re.search(r"Voice alone\s+\w+ \d+ %", words), words
    widths = halves.locator(".mm-strip").first.evaluate(
        "s => [...s.children].map(c => c.getBoundingClientRect().width)"
    )
    assert len(widths) == 7 and max(widths) == widths[0] > 0


def test_a_baseline_is_taken_shown_and_undone(page: Any) -> None:
    button, words = part(page, "baseline"), part(page, "baseline-words")
    button.click()
    page.wait_for_function(
        "/^Please look neutral: [1-9] s$/.test(document.querySelector('[data-part=baseline-words]').textContent)",
        timeout=SLOW,
    )
    assert page.locator(".mm-baseline-tick:visible").count() == 0
    page.get_by_role("button", name="Undo the baseline").wait_for(timeout=SLOW)
    assert words.inner_text().startswith("Beside each value")
    assert page.locator(".mm-baseline-tick:visible").count() == 7
    page.wait_for_function(
        "[...document.querySelectorAll('.mm-shift')].every(s => /^([+−]\\d+|±0)$/.test(s.textContent))", timeout=SLOW
    )
    with page.expect_download() as download:
        part(page, "save").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
    assert max(abs(float(row["happiness"]) - float(row["smoothed_happiness"])) for row in rows) < 1e-4, "a column moved"
    told = [row for row in rows if row["face_alone_happiness"]]
    assert 3 < len(told) < len(rows), "it is computed about once a second"
    for row in told:
        halves = [[float(row[f"{half}_alone_{name}"]) for name in LABELS] for half in ("face", "voice")]
        assert [sum(values) for values in halves] == pytest.approx([1, 1], abs=0.001) and halves[0] != halves[1]
        assert 0 <= float(row["alone_age_s"]) < 3
    empty = [row for row in rows if not row["face_alone_happiness"]]
    assert {row["voice_alone_fear"] + row["alone_age_s"] for row in empty} == {""}
    button.click()
    assert button.inner_text() == "Take 10 s as neutral" and page.locator(".mm-baseline-tick:visible").count() == 0


GIVEN_UP = """async () => {
    const { Baseline } = await import(new URL('live/page/baseline.js', location));
    const made = () => document.createElement('button');
    const said = [];
    const parts = { baseline: made(), 'baseline-words': made() };
    const baseline = new Baseline(parts, mean => said.push(mean));
    const answer = { label: 'fear', states: [], probabilities: [0.25, 0.75] };
    parts.baseline.click();
    baseline.push(1, answer, 0);
    baseline.push(2, { ...answer, label: null, states: ['no face'] }, 2);
    const lost = parts['baseline-words'].textContent;
    parts.baseline.click();
    for (let at = 0; at <= 10; at += 1) baseline.push(at, answer, 0);
    return [lost, said];
}"""


def test_a_lost_face_gives_it_up(page: Any) -> None:
    lost, said = page.evaluate(GIVEN_UP)
    assert lost.startswith("Given up: the face")
    assert said == [None, [0.25, 0.75]]

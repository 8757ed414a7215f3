"""The page calls an unsure answer one, keeps its bars, and says from where on answers are sure."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from tests.support.live import CHROMIUM_ARGUMENTS, FollowingRecognizer
from tests.support.pages import SLOW, part

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
TEMPERATURE = 1.25
LEAST = 0.99


class Doubtful(FollowingRecognizer):
    """Its answers from a face and a voice are unsure ones."""

    def __init__(self) -> None:
        super().__init__()
        temperatures, thresholds = {"both": TEMPERATURE}, {"both": LEAST}
        self.info = dataclasses.replace(self.info, temperatures=temperatures, unsure_below=thresholds, unsure_error=0.2)


@pytest.fixture(scope="module")
def recognizer() -> Doubtful:
    return Doubtful()


@pytest.fixture(scope="module")
def page(recognizer: Doubtful, chromium: str | None, clips: Path) -> Iterator[Any]:
    app = App(str(clips / "derived_face_jfk_6s_44k.mp4"), load=lambda: recognizer)
    url = app.launch()
    app.load()
    errors: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        made = browser.new_page()
        made.on("pageerror", lambda error: errors.append(str(error)))
        made.goto(url)
        made.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)
        yield made
        browser.close()
    app.close()
    assert not errors


def test_an_unsure_answer_is_called_one_and_says_why(page: Any) -> None:
    page.wait_for_selector(".mm-label.mm-unsure", timeout=SLOW)
    word = part(page, "label").inner_text()
    assert re.fullmatch(r"Unsure — most like (happiness|surprise|fear) \(\d+ %\)", word), word
    assert part(page, "basis").inner_text() == "Reading · last 3 s"
    why = part(page, "certainty").inner_text()
    assert why == (
        "A sure answer from a face and a voice reaches 99 %. Of those to held-out clips, at most 20 % were wrong."
    )
    # No number that changes with every answer is read aloud.
    announced = "/^Unsure, most like \\w+$/.test(document.querySelector('[data-part=announce]').textContent)"
    page.wait_for_function(announced, timeout=SLOW)
    assert page.locator(".mm-bar.mm-top").count() == 1
    assert "mm-dim" not in (part(page, "bars").get_attribute("class") or "")
    page.locator(".mm-details summary").click()
    basis = f"a face and a voice (temperature {TEMPERATURE:.2f}, sure from 99 % on)"
    assert basis in part(page, "details").inner_text()


def test_the_saved_results_say_which_answers_were_unsure(page: Any) -> None:
    with page.expect_download() as download:
        part(page, "save").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8").splitlines()))
    doubted = [row for row in rows if row["rests_on"] == "both"]
    assert doubted
    assert {(row["unsure"], row["temperature"]) for row in doubted} == {("1", f"{TEMPERATURE:.2f}")}
    assert all(row["label"] for row in doubted), "it keeps its label"


def test_an_answer_that_is_sure_again_looks_as_ever(page: Any, recognizer: Doubtful) -> None:
    recognizer.info = dataclasses.replace(recognizer.info, unsure_below={})
    page.wait_for_selector(".mm-label:not(.mm-unsure)", timeout=SLOW)
    assert part(page, "label").inner_text() in ("Happiness", "Surprise", "Fear")
    assert "held-out" not in part(page, "certainty").inner_text()


WORDS = """async ([top, facts]) => {
    const { caption, unsureOf } = await import(new URL('live/page/words.js', location));
    const { word, line, heard } = unsureOf(top, facts);
    const captions = [true, false].map(unsure => caption({ label: top.name, unsure, states: [] }, top.value).text);
    return [word, line, heard, ...captions, caption({ label: null, unsure: true, states: [] }, top.value)];
}"""


@pytest.mark.parametrize(
    ("value", "below", "error", "rests_on", "line"),
    [
        (0.41, 0.52, 0.2, "face", "A sure answer from a face alone reaches 52 %. "
         "Of those to held-out clips, at most 20 % were wrong."),
        (0.41, 0.52, 0, "voice", "A sure answer from a voice alone reaches 52 %."),
        (0.414, 0.4149, 0, "both", "A sure answer from a face and a voice reaches 41.5 %."),
        (0.41, 1, 0.2, "voice", "These weights are never sure of an answer from a voice alone."),
    ],
)  # fmt: skip
def test_doubts_in_words(page: Any, value: float, below: float, error: float, rests_on: str, line: str) -> None:
    facts = {"below": below, "error": error, "restsOn": rests_on}
    said = page.evaluate(WORDS, [{"name": "sadness", "value": value}, facts])
    sure = ["Unsure: sadness 41 %", "Mixed", None]
    assert said == ["Unsure — most like sadness (41 %)", line, "Unsure, most like sadness", *sure]

"""The whole app as a first user meets it: no options, a real browser, a face that smiles and one that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.support.voiceless import voiceless_sounds
from demo.app import App
from mmadfer.media.media_file import open_media
from tests.support.live import chromium_arguments, fake_devices, tops
from tests.support.made_media import write_portrait

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
Page = Any

pytestmark = pytest.mark.browser
SLOW = 30_000  # ms


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    made = App()
    made.url = made.launch()  # type: ignore[attr-defined]
    made.load()
    yield made
    made.close()


@pytest.fixture(scope="module")
def page_before(app: App, chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a function that opens the app in a browser whose camera shows a photograph, and starts it."""
    with sync_api.sync_playwright() as playwright:
        browsers = []

        def make(photograph: str | np.ndarray, sound: np.ndarray | None = None) -> Page:
            folder = tmp_path_factory.mktemp("devices")
            named = isinstance(photograph, str)
            rgb = np.asarray(Image.open(clips / photograph).convert("RGB")) if named else photograph
            devices = fake_devices(write_portrait(folder / "portrait.mp4", rgb, sound=sound), folder)
            arguments = chromium_arguments(*devices)
            browsers.append(playwright.chromium.launch(executable_path=chromium, args=arguments))
            page = browsers[-1].new_page()
            page.goto(app.url)  # type: ignore[attr-defined]
            page.get_by_role("button", name="Start").click(timeout=SLOW)
            page.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)
            return page

        yield make
        for browser in browsers:
            browser.close()


def test_a_smile_is_happiness_at_the_top_of_the_page(page_before: Callable[[str], Page]) -> None:
    page = page_before("obama.jpg")
    assert set(tops(page)) == {"happiness"}
    assert page.locator("[data-part=label]").inner_text() == "Happiness"
    page.close()


def test_a_sober_face_is_not(page_before: Callable[[str], Page]) -> None:
    page = page_before("biden.jpg")
    found = tops(page)
    assert not {"happiness", "no face", "no answer"} & set(found), found
    page.close()


def test_wind_in_the_microphone_is_no_fear(page_before: Callable[..., Page]) -> None:
    wind = voiceless_sounds(6.0, 16_000)["wind"][:1]
    page = page_before("biden.jpg", wind)
    found = tops(page, notice="No voice")
    assert not {"fear", "no face", "no answer"} & set(found), found
    fear = float(page.locator('.mm-bar[data-name="fear"]').get_attribute("data-value"))
    assert fear < 0.2
    page.close()


def test_a_neutral_face_stays_neutral_while_a_strange_calm_voice_speaks(
    page_before: Callable[..., Page], clips: Path
) -> None:
    _, face = next(frame for frame in open_media(clips / "intel_asl_yes.mkv").frames() if frame[0] >= 0.5)
    page = page_before(face[10:190, 200:410], open_media(clips / "calm_espeak.flac").read_audio())
    found = tops(page, count=50, notice="Unfamiliar voice")  # 10 s
    assert set(found) == {"neutral"}, found
    assert page.locator("[data-part=label]").inner_text() == "Neutral"
    assert "face alone" in page.locator("[data-part=basis]").inner_text()
    page.close()


def test_the_page_says_what_these_weights_are_and_leads_to_their_card(page_before: Callable[[str], Page]) -> None:
    page = page_before("biden.jpg")
    banner = page.locator("[data-part=starter]")
    assert banner.is_visible() and "Starter weights" in banner.inner_text()
    assert page.locator("[data-part=device]").inner_text() == "Starter weights"
    assert "starter weights, 48 px" in page.locator("[data-part=details]").text_content()
    with page.context.expect_page() as opened:
        banner.get_by_role("link").click()
    card = opened.value
    card.wait_for_load_state()
    assert "must not be used" in card.locator("body").inner_text()
    broken = "[...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert card.evaluate("document.images.length") >= 1 and card.evaluate(broken) == 0
    assert card.goto(card.url + "starter.safetensors").status == 404
    page.close()

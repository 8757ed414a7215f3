"""Sound in which nobody speaks: the page says so, unless nobody is to look for voices."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.voiceless import voiceless_sounds
from mmadfer.types import State
from tests.support.live import chromium_arguments, fake_devices, running_app
from tests.support.waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
SLOW = 30_000  # ms
RATE = 48_000
WORDS = "No voice: nobody is heard speaking"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def wind(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a face as a camera, and wind as a microphone."""
    folder = tmp_path_factory.mktemp("devices")
    camera, microphone = fake_devices(clips / "derived_face_jfk_6s_44k.mp4", folder)
    sound = voiceless_sounds(9.0, RATE)["wind"][0]
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((32767 * sound).astype("<i2").tobytes())
    return camera, microphone


@pytest.mark.parametrize("looks", [True, False])
def test_a_fan_or_wind_is_told_as_no_voice(
    playwright: Any, chromium: str | None, wind: tuple[Path, Path], looks: bool
) -> None:
    browser = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(*wind))
    with running_app(voice_activity=looks) as app:
        page = browser.new_page()
        page.goto(app.url)
        page.get_by_role("button", name="Start").click(timeout=SLOW)
        page.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)
        notices = page.locator("[data-part=notices]")
        notices.get_by_text(WORDS if looks else "Face and voice are coming in").wait_for(timeout=SLOW)
        assert until(lambda: app.server.sessions and app.server.sessions[0].counters.sound_seconds > 4)
        view = app.server.sessions[0].window()
        assert (State.NO_VOICE in view.states) is looks and (view.speech is None) is not looks
        assert (WORDS in notices.inner_text()) is looks
        browser.close()
        assert until(lambda: not app.server.sessions, 5)


ASK = """async states => {
    const { notices, withoutLabel } = await import(new URL('live/page/words.js', location));
    const facts = { states, faceLost: 0, filled: 3, windowSeconds: 3, camera: '', microphone: '' };
    return [notices(facts).map(([, words]) => words), withoutLabel(states)];
}"""


def test_the_words_for_it(playwright: Any, chromium: str | None) -> None:
    browser = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(None, None))
    with running_app() as app:
        page = browser.new_page()
        page.goto(app.url)
        page.wait_for_selector(".mm-live:not([hidden])", timeout=SLOW)
        lines, _ = page.evaluate(ASK, ["no voice", "sound of another channel"])
        assert lines == [WORDS]
        lines, nothing = page.evaluate(ASK, ["no face", "no voice"])
        assert lines == ["No face in view", WORDS]
        assert nothing == ["Nothing to read", "No face is in view and nobody is heard speaking."]
        browser.close()

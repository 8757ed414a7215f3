"""The page says how its answers are computed, and in words when that changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.app import App
from tests.support.live import CHROMIUM_ARGUMENTS, Machine

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser
SLOW = 30_000  # ms


def test_a_change_to_exact_answers_and_back_is_told_in_words(
    chromium: str | None, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmadfer.stream.pace.LATE_AFTER", 1.0)
    machine = Machine(0.25)
    app = App(str(clips / "derived_face_jfk_6s_44k.mp4"), load=lambda: machine)
    url = app.launch()
    app.load()
    errors: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)

        def shows(part: str, words: str) -> None:
            script = "([part, words]) => document.querySelector(`[data-part=${part}]`).textContent.includes(words)"
            page.wait_for_function(script, arg=[part, words], timeout=SLOW)

        shows("details", "of each class when last compared")  # by the step, and compared with the exact pass
        machine.seconds = 0.0
        shows("notices", "from now on every one is computed whole")
        shows("details", "every answer is computed whole")
        machine.seconds = 0.3
        shows("notices", "Whole answers have come late for seconds")
        page.wait_for_function("() => !document.querySelector('[data-part=notices]').innerText.includes('Whole')")
        browser.close()
    app.close()
    assert not errors
    assert not app.worker.exact

"""A running app and a browser whose camera and microphone play a face that speaks, for tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.app import App
from tests.support.live import chromium_arguments, fake_devices, running_app


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    """Return the app with a fast stand-in for the model, served; its address is ``url``."""
    with running_app(max_sessions=2) as made:
        yield made


@pytest.fixture(scope="module")
def browser(chromium: str | None, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a Chromium in front of which somebody speaks."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    devices = fake_devices(clips / "derived_face_jfk_6s_44k.mp4", tmp_path_factory.mktemp("devices"))
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=chromium_arguments(*devices))
        yield made
        made.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """Return a context of that browser, with nothing stored in it yet."""
    made = browser.new_context()
    yield made
    made.close()

"""axe objects to nothing: the page before, in and after a run, in both themes and in the reader's own colours."""

from __future__ import annotations

from typing import Any

import pytest

from demo.app import App
from tests.support.pages import SLOW, start

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.browser


def findings(page: Any, inside: str | None = None) -> list[str]:
    found = axe.Axe().run(page, context=inside).response["violations"]
    return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:120]}" for v in found]


@pytest.mark.parametrize("look", ["light", "dark", "forced colours"])
def test_the_page_in_every_state(app: App, browser: Any, look: str) -> None:
    context = browser.new_context(forced_colors="active" if look == "forced colours" else "none")
    page = context.new_page()
    page.goto(f"{app.url}?__theme={'dark' if look == 'dark' else 'light'}")  # type: ignore[attr-defined]
    page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
    assert findings(page, ".mm-live") == []
    start(page)
    page.wait_for_selector(".mm-top", timeout=SLOW)
    page.locator(".mm-details summary").click()
    page.wait_for_timeout(400)  # bars that are growing have no contrast of their own
    assert findings(page, ".mm-live") == []
    page.keyboard.press("?")
    assert page.locator("[data-part=help]").is_visible()
    assert findings(page, "[data-part=help]") == []
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.locator("[data-setting=microphone] option >> nth=1").wait_for(state="attached", timeout=SLOW)
    assert findings(page, "[data-part=settings]") == []
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    assert findings(page, "[data-part=sheet]") == []
    page.keyboard.press("Escape")
    if look == "forced colours":
        fill = page.locator(".mm-top .mm-fill").evaluate("bar => getComputedStyle(bar).backgroundColor")
        track = page.locator(".mm-top .mm-track").evaluate("bar => getComputedStyle(bar).backgroundColor")
        assert fill != track, "the bars vanish"
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(".mm-live[data-phase=stopped]", timeout=SLOW)
    assert findings(page, ".mm-live") == []
    context.close()


@pytest.mark.parametrize("place", ["live/card/", "live/about/"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_beside_it(app: App, browser: Any, place: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(app.url.rstrip("/") + "/" + place)  # type: ignore[attr-defined]
    assert findings(page) == []
    context.close()


def test_axe_would_find_something(browser: Any) -> None:
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><ul role=status><li>a</li></ul><img src=x></main></html>")
    assert {found.split()[0] for found in findings(page)} >= {"image-alt"}
    page.close()

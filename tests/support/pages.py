"""What tests of the page share: its parts by name, and waiting for what it shows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

SLOW = 30_000
"""ms; a busy machine may take as long for what takes two seconds."""


def part(page: Any, name: str) -> Any:
    """Return the part of the page that is called ``name``."""
    return page.locator(f"[data-part={name}]")


def start(page: Any) -> None:
    """Press Start and wait until the run is live."""
    page.get_by_role("button", name="Start").click(timeout=SLOW)
    page.wait_for_selector(".mm-live[data-phase=live]", timeout=SLOW)


def reading(page: Any) -> None:
    """Wait until the window is full, so that an answer of `FollowingRecognizer` is more than a first guess."""
    script = "/^(Happiness|Surprise)$/.test(document.querySelector('[data-part=label]').textContent)"
    page.wait_for_function(script, timeout=SLOW)


@contextlib.contextmanager
def pages_at(app: Any, browser: Any, tab: str) -> Iterator[Callable[..., Any]]:
    """Give a function that opens the page of ``app`` at a tab of it, in a context of its own; no script may fail there.

    Args: tab: "#file" or "#recording", where the function is not told another.
    """
    errors: list[str] = []
    contexts = []

    def make(address: str = tab, theme: str = "light") -> Any:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{app.url}?__theme={theme}{address}")
        page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors, errors

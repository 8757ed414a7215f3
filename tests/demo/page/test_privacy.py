"""Nothing of picture, sound or answers is written anywhere while the page runs, unless somebody records."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import running_app
from tests.support.pages import reading, start
from tests.support.waiting import until

pytestmark = pytest.mark.browser


def files_below(folders: list[Path]) -> dict[str, int]:
    """Return the size of each file below ``folders``."""
    found = {}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place, name)
                if path.is_file() and not path.is_symlink():
                    found[str(path)] = path.stat().st_size
    return found


def test_a_live_run_writes_nothing(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "home"
    for name in ("HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "GRADIO_TEMP_DIR"):
        (home / name).mkdir(parents=True)
        monkeypatch.setenv(name, str(home / name))
    monkeypatch.setattr("tempfile.tempdir", str(home / "TMPDIR"))
    caplog.set_level(logging.DEBUG, "mmadfer")
    caplog.set_level(logging.DEBUG, "demo")
    watched = [home, Path.cwd()]
    with running_app(smoothing=0.5) as app:
        context = browser.new_context()
        page = context.new_page()
        page.goto(app.url)
        before = files_below(watched)
        start(page)
        reading(page)
        assert until(lambda: bool(app.worker.recognizer.windows), 20)
        page.wait_for_timeout(3000)
        after = files_below(watched)
        context.close()
        assert until(lambda: not app.server.sessions, 10)
    new = {path: size for path, size in after.items() if before.get(path) != size}
    kept = [
        path for path in new if "__pycache__" not in path and "/.git/" not in path and "pytest" not in Path(path).name
    ]
    assert kept == []
    said = "\n".join(record.getMessage().lower() for record in caplog.records)
    assert "happiness" not in said and "surprise" not in said, said


def test_the_watch_would_see_a_file(tmp_path: Path) -> None:
    before = files_below([tmp_path])
    (tmp_path / "frame.jpg").write_bytes(b"1")
    assert files_below([tmp_path]) != before

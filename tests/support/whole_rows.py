"""Rows of the benchmark of the whole app, of an app of which no process runs."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import end_to_end
from benchmarks.support import watchers
from benchmarks.support.app_process import Answer, Setting, Snapshot, StartedApp
from benchmarks.support.engine_process import Engine
from benchmarks.support.rows import WholeRow

SETTING = Setting(Engine("auto", "bf16", "auto"), 112)


class FakeApp:
    """An app of which no process runs; ``snapshots`` are taken in turn."""

    def __init__(self, url: str = "", snapshots: Iterable[Snapshot] = (), setting: Setting = SETTING) -> None:
        self.started = StartedApp(url, "a fake engine", 112, 0.2)
        self.setting = setting
        self._snapshots = iter(snapshots)

    def snapshot(self) -> Snapshot:
        return next(self._snapshots)


def whole(size: int, precision: str = "bf16", seconds: float = 10.0) -> WholeRow:
    """Return a row of an app that answered 20 times in ``seconds``: every second time with the sound encoded."""
    app = FakeApp()
    answers = [Answer(1 + k % 2, k % 2 == 0, 100.0 + k % 2) for k in range(20)]
    before, after = Snapshot(100.0, 5.0, 30, []), Snapshot(100.0 + seconds, 5.0 + seconds / 2, 180, answers)
    seen = watchers.Seen([0.3] * 10 + [0.5] * 10, [0.31] * 20, cpu_s=0.1 * seconds)
    return end_to_end.summary(WholeRow(precision, size, "browser", "page here"), app, before, after, seen)

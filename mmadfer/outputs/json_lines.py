"""Answers as JSON, an object a line."""

from __future__ import annotations

from collections.abc import Sequence

from mmadfer.files.json_text import to_json
from mmadfer.outputs.place import Lines
from mmadfer.outputs.schema import Output, Row, columns


class JsonLines:
    """Rows as JSON lines: every line has every column, null where there is no value; numbers are not rounded."""

    def __init__(self, lines: Lines, labels: Sequence[str]) -> None:
        """Write to ``lines``. Raises ValueError where ``labels`` clash with columns."""
        self._lines = lines
        self._names = [column.name for column in columns(Output.JSON_LINES, labels)]

    def write(self, row: Row) -> None:
        """Write one line. Raises OSError in one sentence where that fails."""
        self._lines.write(f"{to_json({name: row.get(name) for name in self._names})}\n")

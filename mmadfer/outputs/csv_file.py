"""Answers as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, TextIO

from mmadfer.outputs.place import Lines
from mmadfer.outputs.schema import Column, Output, Row, columns


class CsvFile:
    """Rows as CSV, a line each. Names go before them; there is no version, for a line of one would be no row."""

    def __init__(self, lines: Lines | TextIO, labels: Sequence[str], heading: bool = True) -> None:
        """Write the ``heading`` to ``lines``. Raises ValueError where ``labels`` clash with columns."""
        self._columns = columns(Output.CSV, labels)
        self._writer = csv.writer(lines, lineterminator="\n")
        if heading:
            self._writer.writerow([column.name for column in self._columns])

    def write(self, row: Row) -> None:
        """Write one line. Raises OSError in one sentence where that fails."""
        self._writer.writerow([cell(column, row.get(column.name)) for column in self._columns])


def cell(column: Column, value: Any) -> str:
    """Return a value as a CSV says it; empty for none."""
    if value is None:
        return ""
    if column.decimals is not None:
        return f"{value:.{column.decimals}f}"
    if column.type == "strings":
        return "; ".join(value)
    return str(int(value) if column.type == "bool" else value)

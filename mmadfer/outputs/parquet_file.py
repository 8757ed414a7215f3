"""Answers as Parquet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from mmadfer.files.whole import WholeFile
from mmadfer.outputs.schema import SCHEMA_VERSION, Output, Row, columns

SCHEMA_KEY = b"mmadfer.schema"
"""Key of the file's metadata that holds `SCHEMA_VERSION`."""
ROW_GROUP = 50_000
"""Rows that are gathered, as columns, before they are written: a file of many small groups is slow to read."""
_ROWS_AT_ONCE = 1_000
"""Rows held as Python objects, which take far more memory, before they become columns."""
ARROW_TYPES = {
    "string": pa.string(),
    "strings": pa.list_(pa.string()),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "float32": pa.float32(),
    "float64": pa.float64(),
}
"""Of each type that a `Column` may have."""


def arrow_schema(labels: Sequence[str], metadata: Mapping[bytes, bytes] | None = None) -> pa.Schema:
    """Return the columns as Arrow's. Raises ValueError where ``labels`` clash with them."""
    fields = [(column.name, ARROW_TYPES[column.type]) for column in columns(Output.PARQUET, labels)]
    return pa.schema(fields, {**(metadata or {}), SCHEMA_KEY: str(SCHEMA_VERSION).encode()})


class ParquetFile:
    """Rows and tables as Parquet. A context manager; the file can be read once it has been left."""

    def __init__(self, out: BinaryIO, labels: Sequence[str], metadata: Mapping[bytes, bytes] | None = None) -> None:
        """Args: out: stays open; metadata: of the file, beside its version. Raises as `arrow_schema` does."""
        self._schema = arrow_schema(labels, metadata)
        self._writer = pq.ParquetWriter(out, self._schema)
        self._rows: list[Row] = []
        self._tables: list[pa.Table] = []
        self._gathered = 0

    def __enter__(self) -> ParquetFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._gather()
                self._write_group()
        finally:
            self._writer.close()

    def write(self, row: Row) -> None:
        """Add one row. Raises OSError, for example on a full disk."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._gather()

    def write_table(self, table: pa.Table) -> None:
        """Add the rows of a ``table`` of these columns, whatever its metadata. Raises OSError as `write`."""
        self._gather()
        self._add(table)

    def _gather(self) -> None:
        if self._rows:
            self._add(pa.Table.from_pylist([*self._rows], self._schema))
            self._rows.clear()

    def _add(self, table: Any) -> None:
        self._tables.append(table.replace_schema_metadata(self._schema.metadata))
        self._gathered += table.num_rows
        if self._gathered >= ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables))
        self._tables, self._gathered = [], 0


@contextlib.contextmanager
def whole_parquet(
    path: Path, labels: Sequence[str], metadata: Mapping[bytes, bytes] | None = None, part: Path | None = None
) -> Iterator[ParquetFile]:
    """Give a file that appears at ``path`` as the block is left, and not at all where it is left by an error.

    Args: as of `ParquetFile`; part: what it is called until then, as of `WholeFile`.
    Raises OSError, for example on a full disk.
    """
    # A file opened by Python, for of a path Arrow takes "a:b" for an address, and bytes that are no text not at all.
    with WholeFile(path, part) as whole:
        with ParquetFile(whole.file, labels, metadata) as file:
            yield file
        whole.commit()

"""answers.parquet: the columns of answers.csv with their types."""

from __future__ import annotations

import io
import json

from mmadfer.outputs.schema import SCHEMA_VERSION
from mmadfer.recordings.recording import Recording


def parquet(recording: Recording) -> bytes:
    """Return the file. Raises ImportError where pyarrow is absent."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mmadfer.outputs.parquet_file import ARROW_TYPES, SCHEMA_KEY

    fields = [(column.name, ARROW_TYPES[column.type]) for column in recording.columns]
    about = json.dumps(recording.about).encode("ascii")
    schema = pa.schema(fields, {SCHEMA_KEY: str(SCHEMA_VERSION).encode(), b"mmadfer.recording": about})
    table = pa.Table.from_pydict(dict(recording.answers), schema=schema)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()

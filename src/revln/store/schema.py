"""The columns of ``records.lance``."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["RECORD_COLUMNS", "TABLE_DIRECTORY", "TEXT_COLUMN", "VECTOR_PREFIXES", "record_schema"]

TABLE_DIRECTORY = "records.lance"
TEXT_COLUMN = "text"
VECTOR_PREFIXES = ("image_vector", "text_vectors")  # of the columns of all encoders
# What a ``types.Record`` is made of. All but its place is in one column of JSON: reading ten hits takes a quarter of
# the time that a dozen columns take. The columns that repeat parts of it are there to filter, sort and count by.
RECORD_COLUMNS = ("uri", "record")


def record_schema(dim: int, image_column: str, text_column: str) -> pa.Schema:
    """Schema of the table.

    Args:
        dim: width of the vectors.
        image_column: name of the column of image vectors.
        text_column: name of the column of caption vectors.
    """
    vector = pa.list_(pa.float32(), dim)
    fields = {
        "id": pa.string(),
        "source": pa.string(),
        "kind": pa.string(),
        "uri": pa.string(),
        "number": pa.int32(),
        "texts": pa.list_(pa.string()),
        TEXT_COLUMN: pa.string(),  # all that full text search sees
        "label": pa.string(),
        "taken_at": pa.timestamp("us"),  # the camera's clock, hence no zone
        "camera": pa.string(),
        "lat": pa.float64(),
        "lon": pa.float64(),
        "keywords": pa.list_(pa.string()),
        "width": pa.int32(),
        "height": pa.int32(),
        "size": pa.int64(),
        "mtime_ns": pa.int64(),
        "content_hash": pa.string(),
        "fingerprint": pa.string(),
        "indexed_at": pa.timestamp("us"),  # UTC
        "thumb": pa.binary(),
        "record": pa.string(),  # JSON, see ``rows.record_from``
        image_column: vector,
        # Nested: read twice as fast as one flat list a row (35,000 x 512 in 30-45 ms against 75-130 ms).
        text_column: pa.list_(vector),
    }
    return pa.schema(list(fields.items()))

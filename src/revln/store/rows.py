"""Rows as the pipeline hands them in and as Arrow holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from revln.errors import MemoryStoreError
from revln.store.manifest import Manifest
from revln.store.schema import TEXT_COLUMN, record_schema
from revln.store.words import clean, decode_uri, encode_uri, name_words, segmented
from revln.types import Candidate, Embedding, PhotoMeta, Record, record_id

__all__ = [
    "META_COLUMNS",
    "Row",
    "completed",
    "image_array",
    "matrix",
    "record_from",
    "row_from",
    "rows_to_arrow",
    "text_array",
    "text_matrix",
    "utc_now",
]

META_COLUMNS = ("taken_at", "camera", "lat", "lon", "keywords", "width", "height", "indexed_at")


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One record with everything that is stored of it.

    Attributes:
        candidate: where it came from; its ``id`` and ``fingerprint`` are the row's.
        texts: captions, those from outside the file and those found in it.
        photo: facts from EXIF and IPTC.
        content_hash: hash of the file's bytes.
        thumb: encoded small image.
        image_vector: unit vector [dim], or ``None`` for what is no image.
        text_vectors: unit rows [len(texts), dim]; ``None`` only without texts.
        extra: what a kind needs beside the columns; JSON types only.
        fingerprint: where it is not that of the candidate.

    Raises:
        ValueError: the number of ``text_vectors`` is not that of ``texts``.
    """

    candidate: Candidate
    texts: tuple[str, ...] = ()
    photo: PhotoMeta = field(default_factory=PhotoMeta)
    content_hash: str = ""
    thumb: bytes | None = None
    image_vector: Embedding | None = None
    text_vectors: Embedding | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        vectors = 0 if self.text_vectors is None else len(self.text_vectors)
        if vectors != len(self.texts):
            raise ValueError(f"{self.candidate.uri} has {len(self.texts)} texts but {vectors} text vectors")


def rows_to_arrow(rows: Sequence[Row], manifest: Manifest, indexed_at: datetime) -> pa.Table:
    """Rows as a table of the memory's schema; of two rows with one id the later is kept.

    Args:
        rows: what to store.
        manifest: names and width of the vector columns.
        indexed_at: UTC without a zone.

    Raises:
        MemoryStoreError: a vector has another width than the memory's.
    """
    unique = list({row.candidate.id: row for row in rows}.values())
    schema = record_schema(manifest.dim, manifest.image_column, manifest.text_column)
    scalars = [_scalars(row, indexed_at) for row in unique]
    vectors = {
        manifest.image_column: image_array([_image_vector(row, manifest.dim) for row in unique], manifest.dim),
        manifest.text_column: text_array([_text_vectors(row, manifest.dim) for row in unique], manifest.dim),
    }
    columns = [
        vectors[column.name]
        if column.name in vectors
        else pa.array([values[column.name] for values in scalars], column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)


def utc_now() -> datetime:
    """The time as it is stored: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with all columns of the store's schema; those that they lack, such as another encoder's vectors, are null.

    A null list of caption vectors is what tells a migration that a row is still to be embedded.
    """
    columns = [
        table[column.name].cast(column.type) if column.name in table.column_names else pa.nulls(len(table), column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)


def image_array(vectors: Sequence[Embedding | None], dim: int) -> pa.FixedSizeListArray:
    """Unit vectors [dim], or ``None`` where there is no picture, as a column."""
    values = np.zeros((len(vectors), dim), np.float32)
    for place, vector in enumerate(vectors):
        if vector is not None:
            values[place] = vector
    missing = pa.array([vector is None for vector in vectors], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), dim, mask=missing)


def text_array(vectors: Sequence[Embedding | None], dim: int) -> pa.ListArray:
    """The caption vectors [texts, dim] of each record, or ``None`` where there are no texts, as a column."""
    offsets = np.cumsum([0, *(0 if rows is None else len(rows) for rows in vectors)], dtype=np.int32)
    present = [np.asarray(rows, np.float32).ravel() for rows in vectors if rows is not None]
    values = np.concatenate([np.empty(0, np.float32), *present])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.FixedSizeListArray.from_arrays(pa.array(values), dim))


def text_matrix(column: pa.ListArray, dim: int) -> tuple[Embedding, npt.NDArray[np.int64]]:
    """The caption vectors [n, dim] of all records one after the other, and how many each record has."""
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return matrix(column.flatten().flatten(), dim), lengths


def matrix(values: pa.FloatArray, dim: int) -> Embedding:
    """Flat values as rows [n, dim]."""
    # Lance hands out parts of its files as they lie there; NumPy multiplies what is not aligned without BLAS, which
    # made a search sixty times slower.
    return np.require(values.to_numpy().reshape(-1, dim), np.float32, ["ALIGNED", "C_CONTIGUOUS"])


def record_from(values: Mapping[str, Any]) -> Record:
    """A record out of one row's ``RECORD_COLUMNS``."""
    facts = json.loads(values["record"])
    uri = decode_uri(values["uri"])
    return Record(
        id=record_id(facts["source"], facts["kind"], uri, facts["number"]),
        source=facts["source"],
        kind=facts["kind"],
        uri=uri,
        texts=tuple(facts["texts"]),
        label=facts["label"],
        meta=facts["meta"],
    )


def row_from(values: Mapping[str, Any], manifest: Manifest) -> Row:
    """The row that was stored as one row's columns, without the vectors of other encoders.

    Its candidate knows all texts as said of it, and no sidecar; the fingerprint is the stored one.
    """
    record = record_from(values)
    image, texts = values[manifest.image_column], values[manifest.text_column]
    facts = {name: value for name, value in record.meta.items() if name not in META_COLUMNS}
    return Row(
        Candidate(
            record.source,
            record.kind,
            record.uri,
            Path(record.uri),
            values["size"],
            values["mtime_ns"],
            record.texts,
            record.label,
            json.loads(values["record"])["number"],
            facts,
        ),
        record.texts,
        PhotoMeta(
            **{name: values[name] for name in ("taken_at", "camera", "lat", "lon", "width", "height")},
            keywords=tuple(values["keywords"]),
        ),
        values["content_hash"],
        values["thumb"],
        None if image is None else np.asarray(image, np.float32),
        np.asarray(texts, np.float32) if texts else None,
        facts,
        values["fingerprint"],
    )


def _scalars(row: Row, indexed_at: datetime) -> dict[str, Any]:
    candidate, photo = row.candidate, row.photo
    label = None if candidate.label is None else clean(candidate.label)
    searchable = (*row.texts, photo.caption or "", label or "", *photo.keywords, name_words(candidate.uri))
    values = {
        "id": candidate.id,
        "source": clean(candidate.source),
        "kind": candidate.kind,
        "uri": encode_uri(candidate.uri),
        "number": candidate.number,
        "texts": [clean(text) for text in row.texts],
        TEXT_COLUMN: segmented(dict.fromkeys(searchable)),
        "label": label,
        "taken_at": photo.taken_at,
        "camera": photo.camera,
        "lat": photo.lat,
        "lon": photo.lon,
        "keywords": [clean(keyword) for keyword in photo.keywords],
        "width": photo.width,
        "height": photo.height,
        "size": candidate.size,
        "mtime_ns": candidate.mtime_ns,
        "content_hash": row.content_hash,
        "fingerprint": row.fingerprint or candidate.fingerprint,
        "indexed_at": indexed_at,
        "thumb": row.thumb,
    }
    return values | {"record": json.dumps(_shown(values, row.extra))}


def _shown(values: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """What a ``Record`` shows, but for its place, which may change."""
    meta = {name: _jsonable(values[name]) for name in META_COLUMNS if values[name] not in (None, [], 0)}
    # 0 stands for "unknown" in width and height only; a photo may well be taken on the equator.
    meta |= {name: values[name] for name in ("lat", "lon") if values[name] is not None}
    own = {name: values[name] for name in ("source", "kind", "number", "texts", "label")}
    return own | {"meta": {**extra, **meta}}


def _image_vector(row: Row, dim: int) -> Embedding | None:
    return None if row.image_vector is None else _of_width(row.image_vector, (dim,), row)


def _text_vectors(row: Row, dim: int) -> Embedding | None:
    return None if row.text_vectors is None else _of_width(row.text_vectors, (len(row.texts), dim), row)


def _of_width(vectors: Embedding, shape: tuple[int, ...], row: Row) -> Embedding:
    if vectors.shape != shape:
        raise MemoryStoreError(
            f"vectors of {row.candidate.uri} have the shape {vectors.shape}, the memory takes {shape}: "
            "use the encoder that the memory was made with"
        )
    return vectors


def _jsonable(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value

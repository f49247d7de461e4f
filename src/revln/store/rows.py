"""Rows as the pipeline hands them in and as Arrow holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from revln.errors import MemoryStoreError
from revln.store.manifest import Manifest
from revln.store.schema import TEXT_COLUMN, record_schema
from revln.store.words import clean, decode_uri, encode_uri, name_words, segmented
from revln.types import Candidate, Embedding, PhotoMeta, Record

__all__ = ["Row", "record_from", "rows_to_arrow"]

_META_COLUMNS = ("taken_at", "camera", "lat", "lon", "keywords", "width", "height", "indexed_at")


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
        manifest.image_column: _image_vectors(unique, manifest.dim),
        manifest.text_column: _text_vectors(unique, manifest.dim),
    }
    columns = [
        vectors[column.name]
        if column.name in vectors
        else pa.array([values[column.name] for values in scalars], column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)


def record_from(values: Mapping[str, Any]) -> Record:
    """A record out of one row's ``RECORD_COLUMNS``."""
    meta = {name: _jsonable(values[name]) for name in _META_COLUMNS if values[name] not in (None, [], 0)}
    # 0 stands for "unknown" in width and height only; a photo may well be taken on the equator.
    meta |= {name: values[name] for name in ("lat", "lon") if values[name] is not None}
    return Record(
        id=values["id"],
        source=values["source"],
        kind=values["kind"],
        uri=decode_uri(values["uri"]),
        texts=tuple(values["texts"] or ()),
        label=values["label"],
        meta=json.loads(values["meta"] or "{}") | meta,
    )


def _scalars(row: Row, indexed_at: datetime) -> dict[str, Any]:
    candidate, photo = row.candidate, row.photo
    label = None if candidate.label is None else clean(candidate.label)
    searchable = (*row.texts, photo.caption or "", label or "", *photo.keywords, name_words(candidate.uri))
    return {
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
        "fingerprint": candidate.fingerprint,
        "indexed_at": indexed_at,
        "thumb": row.thumb,
        "meta": json.dumps(dict(row.extra)),
    }


def _image_vectors(rows: Sequence[Row], dim: int) -> pa.Array:
    missing = np.array([row.image_vector is None for row in rows])
    values = np.zeros((len(rows), dim), np.float32)
    for place, row in enumerate(rows):
        if row.image_vector is not None:
            values[place] = _of_width(row.image_vector, (dim,), row)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), dim, mask=pa.array(missing))


def _text_vectors(rows: Sequence[Row], dim: int) -> pa.Array:
    offsets = np.cumsum([0, *(len(row.texts) for row in rows)], dtype=np.int32)
    values = np.zeros((int(offsets[-1]), dim), np.float32)
    for start, row in zip(offsets, rows, strict=False):
        if row.text_vectors is not None and row.texts:
            end = start + len(row.texts)
            values[start:end] = _of_width(row.text_vectors, (len(row.texts), dim), row)
    inner = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), dim)
    return pa.ListArray.from_arrays(pa.array(offsets), inner)


def _of_width(vectors: Embedding, shape: tuple[int, ...], row: Row) -> Embedding:
    if vectors.shape != shape:
        raise MemoryStoreError(
            f"vectors of {row.candidate.uri} have the shape {vectors.shape}, the memory takes {shape}: "
            "use the encoder that the memory was made with"
        )
    return vectors


def _jsonable(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value

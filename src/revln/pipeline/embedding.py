"""Embedding records that are stored already: their photos from the file where it is still the same, else the thumb."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from revln.errors import ImageError
from revln.images import decode_thumb, load_photo
from revln.models import Model, map_ordered
from revln.sources import read_archived
from revln.store.migration import Pending
from revln.types import Embedding

__all__ = ["Embedded", "EmbeddingCounts", "embed_records"]


@dataclass(slots=True)
class EmbeddingCounts:
    """What was embedded so far.

    Attributes:
        records: all records.
        from_thumbs: photos whose file is gone or changed, taken from the small image that the memory keeps.
        without_picture: uris of photos that have neither file nor thumb; they keep their texts only.
    """

    records: int = 0
    from_thumbs: int = 0
    without_picture: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Vectors of some records.

    Attributes:
        images: unit vector [dim] of each, or ``None``.
        texts: unit rows [texts, dim] of each.
    """

    images: list[Embedding | None]
    texts: list[Embedding]


def embed_records(rows: Sequence[Pending], model: Model, counts: EmbeddingCounts) -> Embedded:
    """Vectors of records.

    Args:
        rows: the records.
        model: what embeds them.
        counts: added to.

    Raises:
        BundleError: the model is damaged.
    """
    model.encoder.warm_up()
    seen = list(map_ordered(lambda row: _picture(row, model), rows))
    for row, (vector, from_thumb) in zip(rows, seen, strict=True):
        counts.from_thumbs += from_thumb
        if row.has_picture and vector is None:
            counts.without_picture.append(row.uri)
    counts.records += len(rows)
    vectors = model.encode_texts([text for row in rows for text in row.texts])
    ends = np.cumsum([len(row.texts) for row in rows])
    return Embedded([vector for vector, _ in seen], np.split(vectors, ends[:-1]) if len(rows) else [])


def _picture(row: Pending, model: Model) -> tuple[Embedding | None, bool]:
    """The image vector, and whether the thumb gave it."""
    if not row.has_picture:
        return None, False
    transform = model.encoder.transform
    with suppress(ImageError, OSError):
        photo = load_photo(row.uri, transform, data=read_archived(row.uri))
        if photo.content_hash == row.content_hash:
            return _vector(photo.pixels, model), False
    with suppress(ImageError):
        if row.thumb is not None:
            return _vector(transform(decode_thumb(row.thumb)), model), True
    return None, False


def _vector(pixels: npt.NDArray[np.uint8], model: Model) -> Embedding:
    vector: Embedding = model.encoder.encode_pixels(pixels[None]).embeddings[0]
    return vector

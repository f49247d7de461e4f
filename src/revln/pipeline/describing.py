"""Giving photos without a text the caption that the generator makes, marked as such, so that words find them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from revln.models import Model, map_ordered
from revln.pipeline.captioning import Captioner
from revln.pipeline.memory import Memory
from revln.pipeline.thumbs import look_at_thumb
from revln.store import Row, Snapshot
from revln.store.rows import rows_to_arrow, utc_now
from revln.types import GENERATED, ImageEncoding

__all__ = ["describe"]

_BATCH = 64
_WITHOUT_TEXTS = "kind IN ('image', 'image_text') AND COALESCE(array_length(texts), 0) = 0"


def describe(memory: Memory, *, language: str | None = None, progress: Callable[[int, int], None] | None = None) -> int:
    """Captions the photos of a memory that have no texts, from their thumbs; returns how many.

    The captions are searched like other texts, but no answer rests on them. What was done is kept when it is
    interrupted, and not done again.

    Args:
        memory: holds the photos.
        language: of the captions; the generator's first if not given.
        progress: called with the photos done and the photos in all.

    Raises:
        BundleError: the memory's model has no generator.
        QueryError: it does not speak the language.
        MemoryStoreError: the memory cannot be written.
    """
    model = memory.current_model()
    captioner = Captioner(model, memory, language=language)
    snapshot = memory.table.refresh()
    waiting, described = snapshot.row_ids(_WITHOUT_TEXTS), 0
    for start in range(0, len(waiting), _BATCH):
        seen = _look(snapshot, waiting[start : start + _BATCH], model)
        answers = captioner.caption(list(seen.values())) if seen else []
        described += _store(memory, model, dict(zip(seen, (answer.text for answer in answers), strict=True)))
        if progress is not None:
            progress(min(start + _BATCH, len(waiting)), len(waiting))
    return described


def _look(snapshot: Snapshot, row_ids: np.ndarray, model: Model) -> dict[str, tuple[str, ImageEncoding]]:
    """Name and encoding of each photo that there is a thumb of, by record id."""
    thumbs = snapshot.thumbs(row_ids)
    records = snapshot.records(row_ids)
    seen = zip(thumbs, map_ordered(lambda thumb: look_at_thumb(thumb, model), thumbs.values()), strict=True)
    return {records[row].id: (records[row].uri, one) for row, one in seen if one is not None}


def _store(memory: Memory, model: Model, captions: dict[str, str]) -> int:
    """Adds captions to the records that still have no text, by record id."""
    if not captions:
        return 0
    snapshot = memory.table.refresh()
    ids = ", ".join(f"'{record}'" for record in captions)  # hexadecimal digits
    rows = list(snapshot.rows(snapshot.row_ids(f"id IN ({ids}) AND {_WITHOUT_TEXTS}")).values())
    vectors = model.encode_texts([captions[row.candidate.id] for row in rows])
    described = [
        _with_caption(row, captions[row.candidate.id], vector[None]) for row, vector in zip(rows, vectors, strict=True)
    ]
    stored = rows_to_arrow(described, snapshot.manifest, utc_now())
    return memory.table.upsert_arrow(stored, encoder_id=model.id, insert=False).updated if rows else 0


def _with_caption(row: Row, caption: str, vector: np.ndarray) -> Row:
    # The fingerprint stays: to a source that says nothing about the photo it is unchanged.
    return dataclasses.replace(row, texts=(caption,), text_vectors=vector, extra={**row.extra, GENERATED: [caption]})

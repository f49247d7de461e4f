"""What a memory recalls of a photo that somebody asks about, whoever speaks about it then."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

import numpy as np

from revln.config import RECALLED
from revln.errors import QueryError
from revln.models import Model
from revln.pipeline.memory import Memory
from revln.retrieve import LIKENESS_WEIGHTS, Recollection, recall
from revln.types import Embedding, ImageEncoding, Record

__all__ = ["Recaller"]


class Recaller:
    """Recalls records of photos.

    Args:
        model: whose joint space the memory is in.
        memory: what is recalled; None for none.
        k: records to recall; 0 for none.
        exclude_self: leave out records of the photo itself.

    Raises:
        QueryError: ``k`` is negative.
    """

    def __init__(
        self, model: Model, memory: Memory | None = None, *, k: int = RECALLED, exclude_self: bool = False
    ) -> None:
        if k < 0:
            raise QueryError(f"k is {k}: recall some records, or 0 for none")
        self._model, self._k, self._exclude_self = model, k, exclude_self
        generator = model.generator
        self._weights = LIKENESS_WEIGHTS if generator is None else generator.likeness_weights
        self._searcher = None if memory is None or k == 0 else memory.searcher()

    def recall(
        self,
        uri: str,
        seen: ImageEncoding,
        language: str,
        question: Embedding | None = None,
        *,
        without: Collection[str] = (),
    ) -> Recollection:
        """What the memory recalls of a photo.

        Args:
            uri: name of the photo.
            seen: its encoding.
            language: of the texts, where a record has several.
            question: unit vector of what is asked about it [dim].
            without: ids of records that are not to be recalled.
        """
        searcher = self._searcher
        if searcher is None:
            return Recollection((), np.zeros((0, len(self._weights)), np.float32))
        return recall(
            searcher.view,
            searcher.index,
            searcher.calibration,
            self._model.encode_texts,
            seen.embeddings[0],
            k=self._k,
            weights=self._weights,
            language=language,
            question=question,
            excluded=_is_one_of(without, uri if self._exclude_self else None),
        )


def _is_one_of(ids: Collection[str], uri: str | None) -> Callable[[Record], bool] | None:
    """Whether a record has one of the ids, or is that of a photo, or a question about it."""
    if not ids and uri is None:
        return None
    # The question may have come with a file of questions. Links stay as the user named them.
    path = None if uri is None else os.path.abspath(uri)  # noqa: PTH100
    return lambda record: record.id in ids or (path is not None and path in (record.uri, record.meta.get("image")))

"""Having the generator speak about photos with what a memory recalls of them, and seeing what it rests on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.answer import Decoding, Sentence, decode, rests_on
from revln.config import RECALLED
from revln.errors import QueryError
from revln.models import Model
from revln.pipeline.generators import generator_of, grid_of
from revln.pipeline.memory import Memory
from revln.retrieve import Recollection, recall
from revln.types import Embedding, Evidence, ImageEncoding, Record

__all__ = ["Teller", "Told"]

_LIKENESSES = 3


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence about a photo.

    Attributes:
        sentence: its tokens with their probabilities.
        evidence: records that it rests on, most weighty first.
        none_weight: share that rests on no record.
    """

    sentence: Sentence
    evidence: tuple[Evidence, ...]
    none_weight: float


class Teller:
    """Speaks about photos.

    Args:
        model: looks at the images, and speaks.
        memory: what is recalled; None for none.
        k: records to recall; 0 for none.
        exclude_self: leave out records of the photo itself.

    Attributes:
        generator: that of the model.

    Raises:
        BundleError: the model has no generator.
        QueryError: ``k`` is negative.
    """

    def __init__(
        self, model: Model, memory: Memory | None = None, *, k: int = RECALLED, exclude_self: bool = False
    ) -> None:
        if k < 0:
            raise QueryError(f"k is {k}: recall some records, or 0 for none")
        self._model, self.generator = model, generator_of(model)
        self._k, self._exclude_self = k, exclude_self
        self._searcher = None if memory is None or k == 0 else memory.searcher()

    def recall(self, uri: str, seen: ImageEncoding, language: str, question: Embedding | None = None) -> Recollection:
        """What the memory recalls of a photo.

        Args:
            uri: name of the photo.
            seen: its encoding.
            language: of the texts, where a record has several.
            question: unit vector of what is asked about it [dim].
        """
        searcher = self._searcher
        if searcher is None:
            return Recollection((), np.zeros((0, _LIKENESSES), np.float32))
        return recall(
            searcher.view,
            searcher.index,
            searcher.calibration,
            self._model.encode_texts,
            seen.embeddings[0],
            k=self._k,
            weights=self.generator.likeness_weights,
            language=language,
            question=question,
            excluded=_is_of(uri) if self._exclude_self else None,
        )

    def tell(
        self,
        seen: Sequence[ImageEncoding],
        recalled: Sequence[Recollection],
        prompts: npt.NDArray[np.int64],
        decoding: Decoding,
    ) -> list[Told]:
        """A sentence about each photo.

        Args:
            seen: the photos' encodings.
            recalled: what is recalled of each.
            prompts: tokens [n, t] that the sentences begin with.
            decoding: how they are found.
        """
        context = self.generator.look(
            np.concatenate([grid_of(encoding, self._model) for encoding in seen]),
            np.concatenate([self._model.shared(encoding.embeddings) for encoding in seen]),
            [own.texts for own in recalled],
            _padded([own.likenesses for own in recalled]),
        )
        sentences = decode(self.generator.speaker(context), prompts, decoding)
        return [
            Told(sentence, *rests_on(own.hits, sentence.looked, context.entries))
            for sentence, own in zip(sentences, recalled, strict=True)
        ]


def _padded(likenesses: Sequence[Embedding]) -> Embedding:
    """Rows of likenesses [n, k, 3], zeros where there are fewer."""
    most = max((len(own) for own in likenesses), default=0)
    filled = np.zeros((len(likenesses), most, _LIKENESSES), np.float32)
    for row, own in enumerate(likenesses):
        filled[row, : len(own)] = own
    return filled


def _is_of(uri: str) -> Callable[[Record], bool]:
    """Whether a record is that of the photo, or a question about it, which may have come with a file of questions."""
    path = os.path.abspath(uri)  # noqa: PTH100 - links stay as the user named them
    return lambda record: path in (record.uri, record.meta.get("image"))

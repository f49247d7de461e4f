"""The memory in the training loop: the training photos' captions, recalled for one photo at a time.

A photo never recalls its own captions. Which texts come into question is found for all photos at once with the
retriever as it is at the beginning of an epoch (REALM: Guu et al., ICML 2020, arXiv 2002.08909, section 3.3); how much
each of them counts is computed anew in every batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from revln.train.text_encoders import Sentences

__all__ = ["Texts", "candidates"]

_CHUNK = 500
_NEVER = -1e4


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a memory in one language.

    Attributes:
        owners: index [m] of the photo that each belongs to.
        sentences: what the text encoder says of each [m, width], before the projection head.
        words: token ids of each for the generator.
        answered: of as many, the last ones, each is a question with its answer; the others are captions.
    """

    owners: npt.NDArray[np.int64]
    sentences: Tensor
    words: Sentences
    answered: int = 0

    @property
    def captions(self) -> int:
        """How many of them are captions."""
        return len(self.owners) - self.answered

    def followed_by(self, questions: Texts) -> Texts:
        """These captions and questions with their answers behind them."""
        return Texts(
            np.concatenate([self.owners, questions.owners]),
            torch.cat([self.sentences, questions.sentences]),
            [*self.words, *questions.words],
            len(questions.owners),
        )


@torch.inference_mode()
def candidates(
    queries: Tensor,
    images: Tensor,
    texts: Tensor,
    owners: npt.NDArray[np.int64],
    weights: Tensor,
    count: int,
    own: Sequence[int] | None = None,
) -> npt.NDArray[np.int64]:
    """The texts that fit best [n, count], the best first, one of each photo; -1 where no other photo has a text.

    Args:
        queries: images that are asked with [n, dim].
        images: those of the memory [photos, dim].
        texts: those of the memory [m, dim], of each photo one after the other.
        owners: photo of each text [m].
        weights: of the cosine to the text's photo and of that to the text itself [2].
        count: how many; of a smaller memory some come twice.
        own: photo of the memory that each query is, whose texts are left out.
    """
    belongs = torch.from_numpy(owners)
    found = []
    for start in range(0, len(queries), _CHUNK):
        asked = queries[start : start + _CHUNK]
        alike = weights[0] * (asked @ images.T)
        if own is not None:
            alike[torch.arange(len(asked)), torch.tensor(own[start : start + _CHUNK])] = _NEVER
        fitting = weights[1] * (asked @ texts.T)
        best = torch.full_like(alike, _NEVER).scatter_reduce(1, belongs.expand(len(asked), -1), fitting, "amax")
        scores, photos = (alike + best).topk(min(count, len(images)))
        # Of each of these photos the text that gave it its score.
        first = torch.searchsorted(belongs, torch.arange(len(images)))
        last = torch.searchsorted(belongs, torch.arange(len(images)), right=True)
        for row, kept in enumerate(photos.tolist()):
            chosen = [
                int(first[photo] + fitting[row, first[photo] : last[photo]].argmax())
                for photo, score in zip(kept, scores[row].tolist(), strict=True)
                if score > _NEVER / 2
            ]
            found.append(np.resize(chosen or [-1], count))
    return np.array(found, np.int64)

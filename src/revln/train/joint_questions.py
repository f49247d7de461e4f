"""Questions about the photos of a split, as joint training asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from torch import Tensor

from revln.text.questions import Question
from revln.text.special import ANSWER, ASK, END
from revln.train.language import special_token
from revln.train.recall import Texts
from revln.train.text_encoders import Sentences

__all__ = ["Questions"]


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions in one language, those of each photo one after the other.

    Attributes:
        owners: index [m] of the photo that each is about.
        prompts: token ids of each, from its beginning to where the answer begins.
        answers: token ids of each answer, its end included.
        said: the answers.
        vectors: what the text encoder says of each question [m, width], before the projection head.
        texts: each with its answer, as texts that a memory holds.
    """

    owners: npt.NDArray[np.int64]
    prompts: Sentences
    answers: Sentences
    said: Sequence[str]
    vectors: Tensor
    texts: Texts

    @classmethod
    def about(
        cls,
        photos: Sequence[str],
        asked: Sequence[Question],
        tokenizer: Tokenizer,
        encode: Callable[[Sequence[str]], Tensor],
        *,
        most: int,
        recalled: int,
    ) -> Questions:
        """Those of the questions that are about photos of a split.

        Args:
            photos: names of the photos.
            asked: the questions.
            tokenizer: of the generator.
            encode: what the text encoder says of texts.
            most: longest question with its answer, in tokens; longer ones are left out.
            recalled: longest text of a memory, in tokens.
        """
        first, middle, last = (special_token(tokenizer, name) for name in (ASK, ANSWER, END))

        def pieces(texts: Sequence[str]) -> Sentences:
            return [coding.ids for coding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

        places = {name: place for place, name in enumerate(photos)}
        own = sorted((one for one in asked if one.image in places), key=lambda one: places[one.image])
        spoken = zip(pieces([one.question for one in own]), pieces([one.answer for one in own]), strict=True)
        fitting = [
            (one, [first, *question, middle], [*answer, last])
            for one, (question, answer) in zip(own, spoken, strict=True)
            if len(question) + len(answer) + 3 <= most
        ]
        kept = [one for one, _, _ in fitting]
        owners = np.array([places[one.image] for one in kept], np.int64)
        told = [f"{one.question} {one.answer}" for one in kept]
        return cls(
            owners,
            [prompt for _, prompt, _ in fitting],
            [answer for _, _, answer in fitting],
            [one.answer for one in kept],
            encode([one.question for one in kept]),
            Texts(owners, encode(told), [ids[:recalled] for ids in pieces(told)]),
        )

    def __len__(self) -> int:
        return len(self.owners)

    def of(self, photo: int) -> range:
        """Numbers of a photo's questions."""
        return range(*np.searchsorted(self.owners, [photo, photo + 1]).tolist())

    def nearest(self, photo: int, question: Tensor) -> int | None:
        """Number of the question about a photo that is most like another one [width], if there is any."""
        own = self.of(photo)
        return own[int((self.vectors[own.start : own.stop] @ question).argmax())] if own else None

    def alike(self, numbers: Sequence[int], most: int) -> Iterator[list[int]]:
        """Numbers in groups of at most ``most`` whose prompts have one length."""
        groups: dict[int, list[int]] = {}
        for number in numbers:
            groups.setdefault(len(self.prompts[number]), []).append(number)
        for group in groups.values():
            yield from (group[start : start + most] for start in range(0, len(group), most))

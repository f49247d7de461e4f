"""Having the generator speak about photos with what a memory recalls of them, and seeing what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.answer import Decoding, Sentence, alternatives, follow, rests_on, rests_on_repeated
from revln.config import RECALLED
from revln.models import Model
from revln.models.generator import Seen
from revln.pipeline.choosing import Choice, Chooser
from revln.pipeline.generators import generator_of, grid_of
from revln.pipeline.memory import Memory
from revln.pipeline.recalling import Recaller
from revln.pipeline.settling import settle
from revln.retrieve import Recollection
from revln.types import Embedding, Evidence, ImageEncoding

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
        self._model, self._memory, self.generator = model, memory, generator_of(model)
        self._recaller = Recaller(model, memory, k=k, exclude_self=exclude_self)

    def recall(self, uri: str, seen: ImageEncoding, language: str, question: Embedding | None = None) -> Recollection:
        """What the memory recalls of a photo.

        Args:
            uri: name of the photo.
            seen: its encoding.
            language: of the texts, where a record has several.
            question: unit vector of what is asked about it [dim].
        """
        return self._recaller.recall(uri, seen, language, question)

    def tell(
        self,
        seen: Sequence[ImageEncoding],
        recalled: Sequence[Recollection],
        prompts: npt.NDArray[np.int64],
        decoding: Decoding,
        language: str,
    ) -> list[Told]:
        """A caption of each photo; of several that are found, the best, see ``Chooser``.

        Args:
            seen: the photos' encodings.
            recalled: what is recalled of each.
            prompts: tokens [n, t] that the sentences begin with.
            decoding: how they are found.
            language: of the captions.
        """
        context = self._look(seen, recalled)
        found = alternatives(self.generator.speaker(context), prompts, decoding)
        if decoding.beams == 1:
            chosen = [Choice(own[0]) for own in found]
        else:
            rarity = None if self._memory is None else self._memory.rarity(language)
            chooser = Chooser(self._model, self.generator, decoding, language, rarity)
            chosen = chooser.best(context, seen, recalled, found)
        return [
            Told(choice.sentence, *rests_on_repeated(choice.repeats, choice.alone))
            if choice.repeats
            else Told(choice.sentence, *rests_on(own.hits, choice.sentence.looked, context.entries))
            for choice, own in zip(chosen, recalled, strict=True)
        ]

    def answer(
        self,
        seen: Sequence[ImageEncoding],
        recalled: Sequence[Recollection],
        prompts: npt.NDArray[np.int64],
        decoding: Decoding,
    ) -> list[Told]:
        """An answer about each photo; of several that are found, the best, see ``settle``.

        Args:
            seen: the photos' encodings.
            recalled: what is recalled of each.
            prompts: tokens [n, t] that the answers begin with.
            decoding: how they are found.
        """
        context = self._look(seen, recalled)
        found = alternatives(self.generator.speaker(context), prompts, decoding)
        if any(own.hits for own in recalled):
            alone = self._look(seen, [Recollection((), np.zeros((0, _LIKENESSES), np.float32))] * len(seen))
            chosen = settle(self.generator, (context, alone), recalled, prompts.tolist(), found, decoding)
        else:
            chosen = [own[0] for own in found]
        return [
            Told(sentence, *rests_on(own.hits, sentence.looked, context.entries))
            for sentence, own in zip(chosen, recalled, strict=True)
        ]

    def follow(
        self, seen: ImageEncoding, recalled: Recollection, prompt: Sequence[int], decoding: Decoding
    ) -> Iterator[Told]:
        """A sentence about one photo as it grows token by token; the last is the whole.

        Args:
            seen: the photo's encoding.
            recalled: what is recalled of it.
            prompt: tokens that the sentence begins with.
            decoding: greedy or by chance; ``beams`` does not count.
        """
        context = self._look([seen], [recalled])
        speaker = self.generator.speaker(context)
        ids: tuple[int, ...] = ()
        log_probabilities: tuple[float, ...] = ()
        looked = np.zeros(len(context.entries), np.float32)
        for token, log_probability, attention in follow(speaker, prompt, decoding):
            ids += () if token == speaker.end else (token,)
            log_probabilities += (log_probability,)
            looked = looked + attention
            sentence = Sentence(ids, log_probabilities, looked / np.float32(len(log_probabilities)))
            yield Told(sentence, *rests_on(recalled.hits, sentence.looked, context.entries))

    def _look(self, seen: Sequence[ImageEncoding], recalled: Sequence[Recollection]) -> Seen:
        return self.generator.look(
            np.concatenate([grid_of(encoding, self._model) for encoding in seen]),
            np.concatenate([self._model.shared(encoding.embeddings) for encoding in seen]),
            [own.texts for own in recalled],
            _padded([own.likenesses for own in recalled]),
        )


def _padded(likenesses: Sequence[Embedding]) -> Embedding:
    """Rows of likenesses [n, k, 3], zeros where there are fewer."""
    most = max((len(own) for own in likenesses), default=0)
    filled = np.zeros((len(likenesses), most, _LIKENESSES), np.float32)
    for row, own in enumerate(likenesses):
        filled[row, : len(own)] = own
    return filled

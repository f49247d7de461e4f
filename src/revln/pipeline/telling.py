"""Having the generator speak about photos with what a memory recalls of them, and seeing what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.answer import Decoding, Sentence, alternatives, follow, most_agreeing, rests_on
from revln.config import RECALLED
from revln.models import Model
from revln.models.generator import Seen
from revln.pipeline.generators import generator_of, grid_of
from revln.pipeline.memory import Memory
from revln.pipeline.recalling import Recaller
from revln.retrieve import Recollection
from revln.text import caption_tokens, pad, without_stop, written_in
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
        self._model, self.generator = model, generator_of(model)
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
        language: str | None = None,
    ) -> list[Told]:
        """A sentence about each photo.

        Args:
            seen: the photos' encodings.
            recalled: what is recalled of each.
            prompts: tokens [n, t] that the sentences begin with.
            decoding: how they are found.
            language: of captions, which are to agree with what is said of like photos: the best is chosen of those that
                are found and those that are recalled.
        """
        context = self._look(seen, recalled)
        found = alternatives(self.generator.speaker(context), prompts, decoding)
        if language is None or decoding.beams == 1 or not decoding.agreement:
            sentences = [own[0] for own in found]
        else:
            recited = self._recited(context, recalled, language)
            # As far as the generator finds that anything recalled fits: what a memory says of other things is no help.
            weights = decoding.agreement * (1 - context.tensors["shares"][:, 0])
            sentences = [
                self._agreeing([*own, *others], recollection.around, decoding.length_penalty, weight, language)
                for own, others, recollection, weight in zip(found, recited, recalled, weights.tolist(), strict=True)
            ]
        return [
            Told(sentence, *rests_on(own.hits, sentence.looked, context.entries))
            for sentence, own in zip(sentences, recalled, strict=True)
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

    def _recited(self, context: Seen, recalled: Sequence[Recollection], language: str) -> list[list[Sentence]]:
        """Captions of other photos as sentences about each photo, as likely as the generator finds them."""
        generator = self.generator
        most = generator.max_tokens - 2
        texts = [generator.encode(_recitable(own, language), most) for own in recalled]
        count = max(map(len, texts), default=0)
        if not count:
            return [[] for _ in recalled]
        first, end = generator.beginning(language), generator.end
        # Each row of the context serves as many sentences; where there are fewer, empty ones fill up.
        filled = [[first, *ids, end] for own in texts for ids in (*own, *[[]] * (count - len(own)))]
        ids = pad(filled)[0]
        said = generator.say(ids[:, :-1], context)
        told = np.take_along_axis(said.log_probabilities, ids[:, 1:, None], axis=2)[..., 0]
        sentences = []
        for row, own in enumerate(texts):
            places = range(row * count, row * count + len(own))
            sentences.append(
                [
                    Sentence(
                        tuple(tokens),
                        tuple(told[place, : len(tokens) + 1].tolist()),
                        said.looked[place, : len(tokens) + 1].mean(axis=0),
                    )
                    for place, tokens in zip(places, own, strict=True)
                ]
            )
        return sentences

    def _agreeing(
        self, found: Sequence[Sentence], around: Sequence[str], length_penalty: float, weight: float, language: str
    ) -> Sentence:
        said = [caption_tokens(self.generator.decode(sentence.ids), language) for sentence in found]
        scores = [sentence.score(length_penalty) for sentence in found]
        heard = [caption_tokens(text, language) for text in around]
        return found[most_agreeing(said, scores, heard, weight)]

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


def _recitable(recalled: Recollection, language: str) -> list[str]:
    """Recalled captions of other photos that may be true of this one."""
    said = [hit.text or "" for hit in recalled.hits if hit.record.kind != "qa" and hit.text in hit.record.told]
    return [without_stop(text) for text in said if written_in(text, language)]

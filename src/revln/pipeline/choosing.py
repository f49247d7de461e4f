"""Which sentence about a photo is told: of those that were found word by word, those recalled, and names of classes.

The generator alone prefers what is said often. What speaks for a sentence is therefore summed up: how likely the
generator finds it, how near it is to the photo in the joint space, and how well it agrees with what is said of like
photos. The vision model's own classes name what no caption that was learnt from has shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.answer import Decoding, Sentence, agreements
from revln.metrics import Rarity, Tokens
from revln.models import BundleGenerator, Model
from revln.models.generator import Seen
from revln.pipeline.naming import names_of
from revln.pipeline.reading import read
from revln.retrieve import Recollection
from revln.text import caption_tokens, without_stop, written_in
from revln.types import Hit, ImageEncoding

__all__ = ["Choice", "Chooser"]

_FITTING = 1  # likeness of an image to a text, among those of a recollection
_RECITED = 3  # recalled captions, the best before the generator is asked how likely they are
_BY_TEXT = 0.15  # how much what fits by the joint space counts beside what is said of like pictures
_ITSELF = 0.03  # how much a record of another photo counts at most for its own sentence
# A name tells less than a sentence: it has to fit that much better, as a logarithm of a probability.
_RESERVE = 2.25


@dataclass(frozen=True, slots=True)
class _Recitable:
    """A caption of the memory.

    Attributes:
        fit: its cosine to the photo.
        hits: the records that say it.
    """

    fit: float
    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class Choice:
    """A sentence about a photo.

    Attributes:
        sentence: its tokens with their probabilities.
        repeats: records of whose texts it is one.
        alone: how little of what is recalled fits, from 0 to 1.
    """

    sentence: Sentence
    repeats: tuple[Hit, ...] = ()
    alone: float = 1.0


@dataclass(frozen=True, slots=True)
class Chooser:
    """Chooses captions.

    Attributes:
        model: has looked at the photos.
        generator: that of the model.
        decoding: tells how much agreement and fit count.
        language: of the captions.
        rarity: of n-grams in the memory; None without one.
    """

    model: Model
    generator: BundleGenerator
    decoding: Decoding
    language: str
    rarity: Rarity | None

    def best(
        self,
        context: Seen,
        seen: Sequence[ImageEncoding],
        recalled: Sequence[Recollection],
        found: Sequence[Sequence[Sentence]],
    ) -> list[Choice]:
        """The best sentence about each photo.

        Args:
            context: the photos as the generator looks at them.
            seen: their encodings.
            recalled: what is recalled of each.
            found: sentences that were found about each, word by word.
        """
        named = [self._named(encoding, context) for encoding in seen]
        spoken = [[*own, *names] for own, names in zip(found, named, strict=True)]
        recitable = [self._recitable(recollection) for recollection in recalled]
        merits = self._merits(context, seen, recalled, spoken, recitable)
        best = [_best(own[len(row) :]) for own, row in zip(merits, spoken, strict=True)]
        texts = [[list(own)[place] for place in row] for own, row in zip(recitable, best, strict=True)]
        recited = self._likely(context, texts)
        chosen = []
        for row, own in enumerate(spoken):
            candidates = [*own, *recited[row]]
            places = [*range(len(own)), *(len(own) + place for place in best[row])]
            scores = np.array([sentence.score(self.decoding.length_penalty) for sentence in candidates])
            scores[len(found[row]) : len(own)] -= _RESERVE
            place = int(np.argmax(scores + merits[row][places]))
            again = place - len(own)
            text = self.generator.decode(own[place].ids) if again < 0 else texts[row][again]
            repeated = recitable[row].get(text)
            alone = float(context.tensors["shares"][row, 0])
            chosen.append(Choice(candidates[place], tuple(repeated.hits) if repeated else (), alone))
        return chosen

    def _merits(
        self,
        context: Seen,
        seen: Sequence[ImageEncoding],
        recalled: Sequence[Recollection],
        spoken: Sequence[Sequence[Sentence]],
        recitable: Sequence[Mapping[str, _Recitable]],
    ) -> list[npt.NDArray[np.float64]]:
        """What speaks for sentences about each photo, and behind them for recalled texts, but for their likelihood.

        Agreement counts as far as the generator finds that anything recalled fits. The joint space knows no name that
        the memory has just been taught, so of a photo that is the same as another it is not asked.
        """
        decoding, merits = self.decoding, []
        texts = [[self.generator.decode(sentence.ids) for sentence in own] for own in spoken]
        vectors = self.model.encode_texts([text for own in texts for text in own] if decoding.fit else [])
        ends = np.cumsum([len(own) for own in texts]).tolist()
        for row, alone in enumerate(context.tensors["shares"][:, 0].tolist()):
            own, other, recollection = texts[row], recitable[row], recalled[row]
            said = list(map(self._tokens, [*own, *other]))
            merit = decoding.agreement * (1 - alone) * self._agreements(said, recollection)
            if decoding.fit:
                fits = vectors[ends[row] - len(own) : ends[row]] @ seen[row].embeddings[0]
                merit = merit + decoding.fit * recollection.novelty * np.array(
                    [*fits, *(one.fit for one in other.values())]
                )
            merits.append(merit)
        return merits

    def _agreements(self, said: Sequence[Tokens], recalled: Recollection) -> npt.NDArray[np.float64]:
        """How well sentences agree with what is said of like photos [m].

        That a record says a sentence is no reason to repeat it of another photo, unless the photo is the same.
        """
        if self.rarity is None:
            return np.zeros(len(said))
        heard = [self._tokens(voice.text) for voice in (*recalled.around, *recalled.fitting)]
        parts = [voice.part for voice in recalled.around]
        parts += [_BY_TEXT * recalled.novelty * voice.part for voice in recalled.fitting]
        return agreements(said, heard, parts, self.rarity, 1 - recalled.novelty * (1 - _ITSELF))

    def _recitable(self, recalled: Recollection) -> dict[str, _Recitable]:
        """Captions of other photos that may be true of this one: those recalled, and those of what counts most."""
        hits = [*zip(recalled.hits, recalled.likenesses[:, _FITTING].tolist(), strict=True)]
        known = {hit.record.id for hit, _ in hits}
        hits += [(hit, fit) for hit, fit in recalled.counting if hit.record.id not in known]
        captions: dict[str, _Recitable] = {}
        for hit, fit in hits:
            text = hit.text or ""
            if hit.record.kind != "qa" and text in hit.record.told and written_in(text, self.language):
                captions.setdefault(without_stop(text), _Recitable(fit, [])).hits.append(hit)
        return captions

    def _likely(self, context: Seen, texts: Sequence[Sequence[str]]) -> list[list[Sentence]]:
        """Texts as sentences about each photo, as likely as the generator finds them."""
        generator = self.generator
        prompts = [[generator.beginning(self.language)]] * len(texts)
        return read(generator, context, prompts, [generator.encode(own, generator.max_tokens - 2) for own in texts])

    def _named(self, seen: ImageEncoding, context: Seen) -> list[Sentence]:
        """The names of the classes that the vision model sees, as likely as it finds them."""
        names = names_of(self.model, seen, self.language) if self.decoding.fit else []
        looked = np.zeros(len(context.entries), np.float32)
        looked[0] = 1.0  # at the photo
        texts = self.generator.encode([name for name, _ in names], self.generator.max_tokens - 2)
        return [
            Sentence(tuple(ids), (math.log(chance),) * len(ids), looked)
            for ids, (_, chance) in zip(texts, names, strict=True)
        ]

    def _tokens(self, text: str) -> Tokens:
        return caption_tokens(text, self.language)


def _best(merits: npt.NDArray[np.float64]) -> list[int]:
    """Places of the best few, the best first."""
    places: list[int] = np.argsort(-merits, kind="stable")[:_RECITED].tolist()
    return places

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
_SPOKEN = 8  # sentences found word by word, the best before the joint space is asked how they fit
_RECITED = 3  # recalled captions, the best before the generator is asked how likely they are
_BY_TEXT = 0.15  # how much what fits by the joint space counts beside what is said of like pictures
_ITSELF = 0.03  # how much a record of another photo counts at most for its own sentence
# A name tells less than a sentence: it has to fit that much better, as a logarithm of a probability.
_RESERVE = 2.8

_UNREAD = Sentence((), (), np.zeros(0, np.float32))


@dataclass(slots=True)
class _Candidate:
    """A sentence that may be told.

    Attributes:
        text: in words.
        hits: records that say it.
        sentence: its tokens with their probabilities; without tokens before the generator has read it.
        likely: how likely it is by them; of a name, what is left of that.
        fit: its cosine to the photo; None before the joint space is asked.
        agreeing: how well it agrees with what is said of like photos, as much as that counts.
        fitting: how well it fits, as much as that counts.
    """

    text: str
    hits: list[Hit]
    sentence: Sentence = _UNREAD
    likely: float = 0.0
    fit: float | None = None
    agreeing: float = 0.0
    fitting: float = 0.0

    @property
    def merit(self) -> float:
        """All that speaks for it."""
        return self.likely + self.agreeing + self.fitting


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
        shares = context.tensors["shares"][:, 0].tolist()
        recitable = [self._recitable(own) for own in recalled]
        hits = [{one.text: one.hits for one in known} for known in recitable]
        spoken = [self._spoken(own, known) for own, known in zip(found, hits, strict=True)]
        named = [self._named(encoding, context, known) for encoding, known in zip(seen, hits, strict=True)]
        for own, names, known, recollection, alone in zip(spoken, named, recitable, recalled, shares, strict=True):
            self._agree([*own, *names, *known], recollection, alone)
        told = [[*_first(own, _SPOKEN), *names] for own, names in zip(spoken, named, strict=True)]
        self._fit([[*own, *known] for own, known in zip(told, recitable, strict=True)], seen, recalled)
        recited = [_first(known, _RECITED) for known in recitable]
        self._read(recited, context)
        best = [_first([*own, *known], 1)[0] for own, known in zip(told, recited, strict=True)]
        return [Choice(one.sentence, tuple(one.hits), alone) for one, alone in zip(best, shares, strict=True)]

    def _spoken(self, found: Sequence[Sentence], hits: Mapping[str, list[Hit]]) -> list[_Candidate]:
        """Sentences that were found word by word; those of records may be among them."""
        texts = [self.generator.decode(sentence.ids) for sentence in found]
        return [
            _Candidate(text, hits.get(text, []), sentence, self._likely(sentence))
            for text, sentence in zip(texts, found, strict=True)
        ]

    def _likely(self, sentence: Sentence) -> float:
        return sentence.score(self.decoding.length_penalty)

    def _agree(self, candidates: Sequence[_Candidate], recalled: Recollection, alone: float) -> None:
        """Tells how candidates agree with what is said of like photos.

        It counts as far as the generator finds that anything recalled fits.
        """
        agreed = self._agreements([self._tokens(one.text) for one in candidates], recalled)
        for one, agreement in zip(candidates, agreed.tolist(), strict=True):
            one.agreeing = self.decoding.agreement * (1 - alone) * agreement

    def _fit(
        self,
        candidates: Sequence[Sequence[_Candidate]],
        seen: Sequence[ImageEncoding],
        recalled: Sequence[Recollection],
    ) -> None:
        """Tells how the candidates of each photo fit it in the joint space.

        The space knows no name that the memory has just been taught, so of a photo that is the same as another it is
        not asked.
        """
        if not self.decoding.fit:
            return
        unknown = [(row, one) for row, own in enumerate(candidates) for one in own if one.fit is None]
        vectors = self.model.encode_texts([one.text for _, one in unknown])
        for (row, one), vector in zip(unknown, vectors, strict=True):
            one.fit = float(vector @ seen[row].embeddings[0])
        for own, recollection in zip(candidates, recalled, strict=True):
            for one in own:
                one.fitting = self.decoding.fit * recollection.novelty * (one.fit or 0.0)

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

    def _recitable(self, recalled: Recollection) -> list[_Candidate]:
        """Captions of other photos that may be true of this one: those recalled, and those of what counts most."""
        hits = [*zip(recalled.hits, recalled.likenesses[:, _FITTING].tolist(), strict=True)]
        known = {hit.record.id for hit, _ in hits}
        hits += [(hit, fit) for hit, fit in recalled.counting if hit.record.id not in known]
        captions: dict[str, _Candidate] = {}
        for hit, fit in hits:
            text = hit.text or ""
            if hit.record.kind != "qa" and text in hit.record.told and written_in(text, self.language):
                plain = without_stop(text)
                captions.setdefault(plain, _Candidate(plain, [], fit=fit)).hits.append(hit)
        return list(captions.values())

    def _read(self, candidates: Sequence[Sequence[_Candidate]], context: Seen) -> None:
        """Has the generator say how likely it finds the candidates of each photo."""
        generator = self.generator
        prompts = [[generator.beginning(self.language)]] * len(candidates)
        texts = [generator.encode([one.text for one in own], generator.max_tokens - 2) for own in candidates]
        for own, sentences in zip(candidates, read(generator, context, prompts, texts), strict=True):
            for one, sentence in zip(own, sentences, strict=True):
                one.sentence, one.likely = sentence, self._likely(sentence)

    def _named(self, seen: ImageEncoding, context: Seen, hits: Mapping[str, list[Hit]]) -> list[_Candidate]:
        """The names of the classes that the vision model sees, as likely as it finds them."""
        names = names_of(self.model, seen, self.language) if self.decoding.fit else []
        looked = np.zeros(len(context.entries), np.float32)
        looked[0] = 1.0  # at the photo
        texts = self.generator.encode([name for name, _ in names], self.generator.max_tokens - 2)
        named = []
        for ids, (name, chance) in zip(texts, names, strict=True):
            sentence = Sentence(tuple(ids), (math.log(chance),) * len(ids), looked)
            named.append(_Candidate(name, hits.get(name, []), sentence, self._likely(sentence) - _RESERVE))
        return named

    def _tokens(self, text: str) -> Tokens:
        return caption_tokens(text, self.language)


def _first(candidates: Sequence[_Candidate], count: int) -> list[_Candidate]:
    """The best few, the best first."""
    return sorted(candidates, key=lambda one: -one.merit)[:count]

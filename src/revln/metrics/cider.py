"""CIDEr-D: agreement with the references, in which rare words weigh more."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from revln.errors import InputError
from revln.metrics.ngrams import LONGEST, NGram, References, Tokens, check_references, ngram_counts

__all__ = ["SCALE", "SIGMA", "Cider", "bigrams"]

SIGMA = 6.0
SCALE = 10.0
_UNSEEN = -1

Occurrences = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Image:
    """The references of an image, counted.

    Attributes:
        occurrences: by the number of an n-gram, the references that have it, each with how often.
        lengths: of each reference.
        inverse_norms: of each reference, 1 / length of the vector of each order of n-grams; 0 for a vector of zeros.
    """

    occurrences: dict[int, Occurrences]
    lengths: tuple[int, ...]
    inverse_norms: tuple[tuple[float, ...], ...]


class Cider:
    """CIDEr-D against fixed references (Vedantam et al., CVPR 2015).

    As coco-caption has it: n-grams of one to four words, a Gaussian penalty on length with sigma = 6, times 10, so that
    scores reach from 0 to 10. The references are counted once; then thousands of captions a second are scored, which
    makes it a reward for self-critical training (Rennie et al., CVPR 2017). A single image scores 0 unless there is a
    corpus: nothing is rare in one image.

    Args:
        references: one or more captions of each image [n].
        corpus: the captions of the images whose document frequencies tell how rare an n-gram is; the references if not
            given, as when a whole split is evaluated.

    Raises:
        InputError: no images, or one without captions.
    """

    def __init__(self, references: References, corpus: References | None = None) -> None:
        check_references(references)
        if corpus is not None:
            check_references(corpus)
        frequencies: Counter[NGram] = Counter()
        for sentences in references if corpus is None else corpus:
            frequencies.update(set().union(*map(ngram_counts, sentences)))
        if corpus is not None:  # what it does not have counts as if one of its images had it
            for ngram in chain.from_iterable(map(ngram_counts, chain.from_iterable(references))):
                frequencies.setdefault(ngram, 1)
        rarest = math.log(len(references if corpus is None else corpus))
        self._numbers = {ngram: number for number, ngram in enumerate(frequencies)}
        # Squared, since tf-idf weights are only needed multiplied by each other. The last one is for all other n-grams.
        self._weights = [*((rarest - math.log(count)) ** 2 for count in frequencies.values()), rarest**2]
        # Few n-grams occur twice in a sentence, so most images share these small tuples; this saves most of the memory.
        shared: dict[Occurrences, Occurrences] = {}
        self._images = [self._count(sentences, shared) for sentences in references]

    def scores(self, candidates: Sequence[Tokens], images: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
        """CIDEr-D of each candidate [m], from 0 to 10.

        Args:
            candidates: captions [m].
            images: number [m] of the image that each is about; the i-th caption is about the i-th image if not given.

        Raises:
            InputError: no candidates, more or fewer of them than of images, or an image that is not there.
        """
        if not len(candidates):
            raise InputError("no captions to score: give some")
        about = range(len(self._images)) if images is None else images
        if len(candidates) != len(about):
            raise InputError(f"{len(candidates):,} captions for {len(about):,} images: give one for each image")
        if strange := [image for image in about if not 0 <= image < len(self._images)]:
            raise InputError(f"image {strange[0]}: there are {len(self._images):,} with references, counted from 0")
        return np.array([self._score(*pair) for pair in zip(candidates, about, strict=True)])

    def _count(self, sentences: Sequence[Tokens], shared: dict[Occurrences, Occurrences]) -> _Image:
        found: dict[int, list[tuple[int, int]]] = {}
        norms = []
        for index, sentence in enumerate(sentences):
            squares = [0.0] * LONGEST
            for ngram, count in ngram_counts(sentence).items():
                number = self._numbers[ngram]
                found.setdefault(number, []).append((index, count))
                squares[len(ngram) - 1] += self._weights[number] * count * count
            norms.append(_inverse_roots(squares))
        occurrences = {number: tuple(pairs) for number, pairs in found.items()}
        occurrences = {number: shared.setdefault(pairs, pairs) for number, pairs in occurrences.items()}
        return _Image(occurrences, tuple(map(bigrams, sentences)), tuple(norms))

    def _score(self, candidate: Tokens, about: int) -> float:
        image = self._images[about]
        products = [[0.0] * LONGEST for _ in image.lengths]
        squares = [0.0] * LONGEST
        for ngram, count in ngram_counts(candidate).items():
            order = len(ngram) - 1
            number = self._numbers.get(ngram, _UNSEEN)
            weight = self._weights[number]
            squares[order] += weight * count * count
            for index, times in image.occurrences.get(number, ()):
                # Clipped: what is said more often than by the reference earns nothing.
                products[index][order] += weight * min(count, times) * times
        own = _inverse_roots(squares)
        length = bigrams(candidate)
        total = 0.0
        for product, norms, reference_length in zip(products, image.inverse_norms, image.lengths, strict=True):
            penalty = math.exp(-((length - reference_length) ** 2) / (2 * SIGMA**2))
            total += penalty * sum(map(operator.mul, product, map(operator.mul, own, norms)))
        return SCALE * total / (LONGEST * len(image.lengths))


def bigrams(sentence: Tokens) -> int:
    """A sentence's length as coco-caption has it: the number of pairs of neighbouring words."""
    return max(0, len(sentence) - 1)


def _inverse_roots(squares: Sequence[float]) -> tuple[float, ...]:
    return tuple(1 / math.sqrt(square) if square else 0.0 for square in squares)

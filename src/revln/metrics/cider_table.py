"""CIDEr-D of a few sentences with each of many, all at once, where documents tell how rare an n-gram is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from revln.metrics.cider import SCALE, SIGMA, bigrams
from revln.metrics.ngrams import LONGEST, References, Tokens

__all__ = ["Rarity", "cider_table"]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, and its bits are well mixed

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


class Rarity:
    """How rare n-grams of one to four words are in documents: the logarithm of their inverse document frequency.

    N-grams are told apart by hashes of 64 bits, so a sample of thousands of sentences is counted in some tens of
    milliseconds.

    Args:
        documents: one or more sentences each [n]; none or one make nothing rare.
    """

    def __init__(self, documents: References) -> None:
        owners = np.repeat(np.arange(len(documents)), [len(sentences) for sentences in documents])
        self._rarest = math.log(max(len(documents), 1))
        self._known: list[tuple[Hashes, npt.NDArray[np.float64]]] = []
        for places, hashes in _ngrams([sentence for sentences in documents for sentence in sentences]):
            owned = np.unique(np.stack([hashes, owners[places].astype(np.uint64)]), axis=1)
            known, counts = np.unique(owned[0], return_counts=True)
            self._known.append((known, self._rarest - np.log(counts)))

    def of(self, hashes: Hashes, order: int) -> npt.NDArray[np.float64]:
        """How rare each n-gram is [n]; one that no document has counts as if one had it.

        Args:
            hashes: of the n-grams [n].
            order: one less than their words.
        """
        known, rarities = self._known[order]
        if not len(known):
            return np.full(len(hashes), self._rarest)
        places = np.searchsorted(known, hashes).clip(max=len(known) - 1)
        return np.where(known[places] == hashes, rarities[places], self._rarest)


def cider_table(candidates: Sequence[Tokens], references: Sequence[Tokens], rarity: Rarity) -> npt.NDArray[np.float64]:
    """CIDEr-D of each candidate with each reference [m, n], from 0 to 10, as ``Cider`` has it.

    Args:
        candidates: sentences [m].
        references: sentences [n].
        rarity: of their n-grams.
    """
    count = len(candidates)
    table = np.zeros((count, len(references)))
    for order, (places, hashes) in enumerate(_ngrams([*candidates, *references])):
        distinct, numbers = np.unique(hashes, return_inverse=True)
        squares = rarity.of(distinct, order) ** 2
        pairs, times = np.unique(places * len(distinct) + numbers, return_counts=True)
        sentences, ngrams = np.divmod(pairs, max(len(distinct), 1))
        norms = np.sqrt(np.bincount(sentences, squares[ngrams] * times**2, minlength=count + len(references)))
        begin = int(np.searchsorted(sentences, count))
        own = np.zeros((count, len(distinct)))
        own[sentences[:begin], ngrams[:begin]] = times[:begin]
        said, heard, weights = ngrams[begin:], times[begin:], squares[ngrams[begin:]]
        # Clipped: what is said more often than by the reference earns nothing.
        products = np.minimum(own[:, said], heard) * (heard * weights)
        for row, product in enumerate(products):
            summed = np.bincount(sentences[begin:] - count, product, minlength=len(references))
            both = norms[row] * norms[count:]
            table[row] += np.divide(summed, both, out=np.zeros_like(both), where=both > 0)
    lengths = np.array([*map(bigrams, candidates)])[:, None] - np.array([*map(bigrams, references)])
    result: npt.NDArray[np.float64] = SCALE / LONGEST * table * np.exp(-(lengths**2) / (2 * SIGMA**2))
    return result


def _ngrams(sentences: Sequence[Tokens]) -> Iterator[tuple[Places, Hashes]]:
    """Of each order the n-grams of all sentences in a row: which sentence each is of, and its hash."""
    lengths = [len(sentence) for sentence in sentences]
    places, total = np.repeat(np.arange(len(sentences)), lengths), sum(lengths)
    words = np.fromiter((hash(word) for sentence in sentences for word in sentence), np.int64, total).view(np.uint64)
    hashes = words
    for order in range(LONGEST):
        begins, ends = places[: max(total - order, 0)], places[order:]
        yield begins[begins == ends], hashes[begins == ends]
        hashes = hashes[:-1] * _FACTOR + words[order + 1 :]

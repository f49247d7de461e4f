"""A language model by counting, to measure others against."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from revln.errors import InputError

__all__ = ["Trigram"]

_SIZE = 3
# Where there are too few n-grams to estimate the discounts from, as in KenLM.
_FALLBACK = (0.5, 1.0, 1.5)

Counts = Mapping[tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class _Followers:
    """What was counted after a context.

    Attributes:
        kept: by token, its count less the discount.
        held: what the discounts keep back for tokens that did not follow.
        total: all counts.
    """

    kept: Mapping[int, float]
    held: float
    total: int


class Trigram:
    """An interpolated Kneser-Ney trigram over token ids (Kneser & Ney, ICASSP 1995).

    With the modified discounts of Chen & Goodman, "An empirical study of smoothing techniques for language modeling",
    1999, section 3. Below the unigrams all tokens are equally likely, so nothing is impossible.

    Args:
        sentences: token ids, from 0 to below ``vocabulary``, without marks of beginning and end.
        vocabulary: how many different tokens there are.

    Raises:
        InputError: no sentences, or an id that is not of the vocabulary.
    """

    def __init__(self, sentences: Sequence[Sequence[int]], vocabulary: int) -> None:
        if not len(sentences):
            raise InputError("no sentences to learn a trigram from: give some")
        self._end, self._begin = vocabulary, vocabulary + 1
        counts = [Counter[tuple[int, ...]]() for _ in range(_SIZE)]
        for sentence in sentences:
            marked = self._mark(sentence)
            for size in range(1, _SIZE + 1):
                counts[size - 1].update(marked[at : at + size] for at in range(len(marked) - size + 1))
        del counts[0][self._begin,]  # it is given, never said
        adjusted = [self._adjusted(shorter, longer) for shorter, longer in pairwise(counts)]
        self._orders = [_followers(each) for each in (*adjusted, counts[-1])]

    def bits(self, sentence: Sequence[int]) -> float:
        """Bits that it takes to say a sentence and its end.

        Raises:
            InputError: an id that is not of the vocabulary.
        """
        marked = self._mark(sentence)
        return -sum(math.log2(self._probability(marked[:at], marked[at])) for at in range(1, len(marked)))

    def probability(self, before: Sequence[int], token: int) -> float:
        """Of a token after a sentence's beginning; of the sentence ending there, where the token is ``vocabulary``.

        Raises:
            InputError: an id that is not of the vocabulary.
        """
        if token != self._end:
            self._mark([token])
        return self._probability(self._mark(before)[:-1], token)

    def _mark(self, sentence: Sequence[int]) -> tuple[int, ...]:
        if strange := [token for token in sentence if not 0 <= token < self._end]:
            raise InputError(f"token {strange[0]}: the vocabulary has {self._end:,}, counted from 0")
        return (self._begin, *map(int, sentence), self._end)

    def _adjusted(self, shorter: Counts, longer: Counts) -> Counts:
        """After how many different tokens each of the shorter n-grams occurs.

        What a sentence begins with occurs after nothing, and keeps its count (Heafield et al., ACL 2013).
        """
        adjusted = Counter(ngram[1:] for ngram in longer)
        adjusted.update({ngram: count for ngram, count in shorter.items() if ngram[0] == self._begin})
        return adjusted

    def _probability(self, before: tuple[int, ...], token: int) -> float:
        probability = 1 / (self._end + 1)
        for size, order in enumerate(self._orders[: len(before) + 1]):
            followers = order.get(before[len(before) - size :])
            if followers is None:  # nor has any longer context been seen
                break
            probability = (followers.kept.get(token, 0.0) + followers.held * probability) / followers.total
        return probability


def _followers(counts: Counts) -> dict[tuple[int, ...], _Followers]:
    """By context."""
    discounts = (0.0, *_discounts(counts))
    grouped: defaultdict[tuple[int, ...], dict[int, int]] = defaultdict(dict)
    for ngram, count in counts.items():
        grouped[ngram[:-1]][ngram[-1]] = count
    result = {}
    for context, after in grouped.items():
        taken = {token: discounts[min(count, _SIZE)] for token, count in after.items()}
        kept = {token: count - taken[token] for token, count in after.items()}
        result[context] = _Followers(kept, sum(taken.values()), sum(after.values()))
    return result


def _discounts(counts: Counts) -> tuple[float, ...]:
    """Of n-grams that occur once, twice, and more often (Chen & Goodman, 1999)."""
    of = Counter(counts.values())
    if not all(of[count] for count in range(1, 5)):
        return _FALLBACK
    common = of[1] / (of[1] + 2 * of[2])
    discounts = tuple(count - (count + 1) * common * of[count + 1] / of[count] for count in (1, 2, 3))
    return discounts if all(0 < discount <= count for count, discount in enumerate(discounts, 1)) else _FALLBACK

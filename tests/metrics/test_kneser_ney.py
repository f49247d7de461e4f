from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from revln.errors import InputError
from revln.metrics import Trigram

WORDS, END = 20, 20


def sentences(seed: int, count: int) -> list[list[int]]:
    """Each token is followed by the end with a chance of 1/8, else by its successor with one of 3/4, else by any."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        sentence = [int(random.integers(WORDS))]
        while random.random() > 1 / 8:
            after = (sentence[-1] + 1) % WORDS
            sentence.append(after if random.random() < 3 / 4 else int(random.integers(WORDS)))
        drawn.append(sentence)
    return drawn


def true_bits(sentence: list[int]) -> float:
    pairs = pairwise(sentence)
    steps = [7 / 8 * (3 / 4 * (after == (before + 1) % WORDS) + 1 / 4 / WORDS) for before, after in pairs]
    return -sum(map(math.log2, [1 / WORDS, *steps, 1 / 8]))


@pytest.mark.parametrize("count", [1, 5, 500])
@pytest.mark.parametrize("before", [[], [3], [3, 4], [4, 3], [0, 9, 3, 4], [19, 19, 19]])
def test_probabilities_of_all_tokens_and_of_the_end_sum_to_one(count: int, before: list[int]) -> None:
    trigram = Trigram(sentences(0, count), WORDS)
    probabilities = [trigram.probability(before, token) for token in range(WORDS + 1)]
    assert sum(probabilities) == pytest.approx(1, abs=1e-12)
    assert min(probabilities) > 0


def test_by_hand() -> None:
    # Too few counts for discounts of their own: 0.5 off what occurs once, 1 off what occurs twice.
    trigram = Trigram([[0], [0], [1]], 2)
    # After how many words they come: 0 and 1 after the beginning, the end after 0 and 1. 2 of the 4 are kept back.
    zero, end = (0.5 + 2 / 3) / 4, (1 + 2 / 3) / 4
    zero_begins = (2 - 1 + 1.5 * zero) / 3  # two of three sentences do
    ends_after_zero = (2 - 1 + 1 * (0.5 + 0.5 * end)) / 2
    assert trigram.probability([], 0) == pytest.approx(zero_begins)
    assert trigram.probability([0], 2) == pytest.approx(ends_after_zero)
    assert trigram.bits([0]) == pytest.approx(-math.log2(zero_begins * ends_after_zero))


def test_discounts_are_estimated_from_how_many_occur_once_to_four_times() -> None:
    # Sentences of one token each: what follows the beginning is counted as it is. With the end after each of the 10
    # tokens, there are 4 + 10 pairs that occur once, 3 twice, 2 thrice and 1 four times.
    numbers = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4]
    trigram = Trigram([[token] for token, number in enumerate(numbers) for _ in range(number)], 10)
    common = 14 / (14 + 2 * 3)
    off = [1 - 2 * common * 3 / 14, 2 - 3 * common * 2 / 3, 3 - 4 * common * 1 / 2]
    held = sum(off[min(number, 3) - 1] for number in numbers)
    # One word after 1 of the beginnings each, and the end after 10 words, discounted by the fallback.
    lower = (1 - 0.5 + (10 * 0.5 + 1.5) / 11) / 20
    for token, number in enumerate(numbers):
        expected = (number - off[min(number, 3) - 1] + held * lower) / 20
        assert trigram.probability([], token) == pytest.approx(expected)


def test_it_comes_near_to_what_drew_the_sentences() -> None:
    unseen = sentences(1, 300)
    much, little = Trigram(sentences(0, 3000), WORDS), Trigram(sentences(0, 30), WORDS)
    truth, near, far = (float(np.mean([*map(bits, unseen)])) for bits in (true_bits, much.bits, little.bits))
    assert truth < near < 1.05 * truth
    assert far > 1.1 * truth


def test_an_empty_sentence_has_its_end_to_say() -> None:
    trigram = Trigram([[], [0]], 1)
    assert trigram.bits([]) == pytest.approx(-math.log2(trigram.probability([], 1)))


def test_what_is_not_of_the_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="no sentences"):
        Trigram([], 5)
    for token in (5, -1):
        with pytest.raises(InputError, match=f"token {token}: the vocabulary has 5"):
            Trigram([[0, token]], 5)
        with pytest.raises(InputError, match=f"token {token}"):
            Trigram([[0]], 5).bits([token])
    with pytest.raises(InputError, match="token 7"):
        Trigram([[0]], 5).probability([0], 7)

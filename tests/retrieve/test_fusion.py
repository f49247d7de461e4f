from __future__ import annotations

import numpy as np
import pytest

from revln.errors import QueryError
from revln.retrieve import mix
from revln.retrieve.fusion import log_odds, word_count
from revln.retrieve.sort import SORT_KEYS, SortKey, parse_sort

TEXT, IMAGE = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def test_meaning_and_words_by_hand() -> None:
    chances, words = np.array([0.5, 0.8, 0.5]), np.array([0.0, 2.0, 6.0])
    assert log_odds(chances, words, 1) == pytest.approx([0, np.log(4) + 2 * 2, 2 * 6])
    assert log_odds(chances, words, 16) == pytest.approx([0, np.log(4) + 2 * 2 / 8, 2 * 6 / 8])


@pytest.mark.parametrize(
    ("text", "words"), [("", 0), ("A dog's  ball!", 4), ("雪地里的狗", 5), ("いぬ がはしる", 6), ("강아지 2마리", 6)]
)
def test_words_are_counted_in_all_scripts(text: str, words: int) -> None:
    assert word_count(text) == words


def test_mixed_by_hand() -> None:
    np.testing.assert_allclose(mix(TEXT, IMAGE, 0.5), [0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(mix(TEXT, IMAGE, 0.75), np.array([3, 1]) / 10**0.5, rtol=1e-6)
    np.testing.assert_array_equal(mix(TEXT, IMAGE, 1), TEXT)
    np.testing.assert_array_equal(mix(TEXT, IMAGE, 0), IMAGE)
    assert mix(TEXT, IMAGE, 0.3).dtype == np.float32


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_out_of_range(weight: float) -> None:
    with pytest.raises(QueryError, match="number from 0 to 1"):
        mix(TEXT, IMAGE, weight)


def test_opposites_cancel() -> None:
    with pytest.raises(QueryError, match="cancel"):
        mix(TEXT, -TEXT, 0.5)


def test_sort_keys() -> None:
    assert parse_sort("score") is None
    assert parse_sort("-taken_at") == SortKey("taken_at", descending=True)
    assert parse_sort("uri") == SortKey("uri")
    assert "keywords" not in SORT_KEYS
    with pytest.raises(QueryError, match="unknown sort key 'take_at': did you mean taken_at"):
        parse_sort("take_at")


@pytest.mark.parametrize(("descending", "order"), [(False, [3, 0, 4, 1, 2]), (True, [0, 4, 3, 1, 2])])
def test_none_comes_last_and_ties_keep_their_order(descending: bool, order: list[int]) -> None:
    assert SortKey("x", descending).order([2, None, None, 1, 2]) == order

"""Sentences that agree with what is said of like images."""

from __future__ import annotations

import pytest

from revln.answer import most_agreeing

AROUND = [text.split() for text in ("a dog runs on grass", "a brown dog runs", "a cat sleeps", "two men talk")]
SAID = [text.split() for text in ("a man sits", "a brown dog runs on grass", "a cat")]


def test_the_sentence_that_others_say_is_chosen() -> None:
    assert most_agreeing(SAID, [0.0, 0.0, 0.0], AROUND, 1.0) == 1


def test_ones_own_score_counts_as_well() -> None:
    assert most_agreeing(SAID, [0.0, -1000.0, -1000.0], AROUND, 1.0) == 0
    assert most_agreeing(SAID, [-1.0, -2.0, -3.0], AROUND, 0.0) == 0
    assert most_agreeing(SAID, [-1.0, -1.1, -1.2], AROUND, 4.0) == 1


@pytest.mark.parametrize("around", [[], [["a", "cat"]], [["a", "cat"]] * 3])
def test_where_nothing_is_rare_ones_own_score_decides(around: list[list[str]]) -> None:
    assert most_agreeing(SAID, [-2.0, -1.0, -3.0], around, 4.0) == 1


def test_one_sentence_is_no_choice() -> None:
    assert most_agreeing(SAID[:1], [-5.0], AROUND, 4.0) == 0

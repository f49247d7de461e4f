from __future__ import annotations

import math

import numpy as np
import pytest

from revln.answer import Sentence, certainty, log_odds


def said(*probabilities: float) -> Sentence:
    """A sentence whose tokens have these probabilities."""
    ids = tuple(range(len(probabilities) - 1))
    return Sentence(ids, tuple(math.log(one) for one in probabilities), np.zeros(1, np.float32))


def test_the_odds_are_those_of_the_whole_sentence() -> None:
    assert log_odds(said(0.5)) == pytest.approx(0)
    assert log_odds(said(0.9, 0.5)) == pytest.approx(math.log(0.45 / 0.55))
    assert log_odds(said(0.8, 0.5, 0.5)) == pytest.approx(math.log(0.2 / 0.8))


def test_certainty_lies_on_the_line() -> None:
    assert certainty(said(0.9, 0.5), (1.0, 0.0)) == pytest.approx(0.45)
    assert certainty(said(0.75), (1.0, math.log(3))) == pytest.approx(0.9)  # odds of 3, three times as high
    assert certainty(said(0.75), (2.0, 0.0)) == pytest.approx(0.9)  # their square
    assert certainty(said(0.75), (0.0, -math.log(4))) == pytest.approx(0.2)


def test_a_likelier_sentence_is_surer() -> None:
    sure = [certainty(said(one, 0.9), (0.3, -2.0)) for one in (1e-9, 0.01, 0.3, 0.9, 1.0)]
    assert sure == sorted(sure)
    assert len(set(sure)) == 5


@pytest.mark.parametrize("line", [(1.0, 0.0), (50.0, 3.0), (0.001, -700.0)])
def test_nothing_is_certain_beyond_all_numbers(line: tuple[float, float]) -> None:
    never = Sentence((1,), (-math.inf,), np.zeros(1, np.float32))
    for sentence, odds in ((never, -math.log(1e6 - 1)), (said(1.0, 1.0), math.log(1e6 - 1))):
        assert log_odds(sentence) == pytest.approx(odds)
        assert 0 <= certainty(sentence, line) <= 1


def test_rounding_above_one_is_no_error() -> None:
    """Log-probabilities in float32 may come out a little above zero."""
    assert log_odds(Sentence((1,), (1e-6, 1e-7), np.zeros(1, np.float32))) == pytest.approx(math.log(1e6 - 1))

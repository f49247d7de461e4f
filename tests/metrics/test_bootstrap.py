from __future__ import annotations

import numpy as np
import pytest

from revln.errors import InputError
from revln.metrics import bootstrap_interval, paired_bootstrap_interval


def test_of_many_scores_it_is_the_interval_of_the_normal_distribution() -> None:
    scores = np.random.default_rng(0).normal(5, 2, 1000)
    interval = bootstrap_interval(scores)
    error = scores.std() / np.sqrt(1000)
    assert interval.mean == pytest.approx(scores.mean())
    assert (interval.low, interval.high) == pytest.approx(
        (scores.mean() - 1.96 * error, scores.mean() + 1.96 * error), abs=0.05 * error
    )
    narrower = bootstrap_interval(scores, level=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 * error, rel=0.05)


def test_a_pair_tells_small_differences_between_scores_that_vary_much() -> None:
    random = np.random.default_rng(1)
    hard = random.normal(0, 10, 500)
    first, second = hard + random.normal(0.2, 0.5, 500), hard + random.normal(0, 0.5, 500)
    difference = paired_bootstrap_interval(first, second)
    assert difference.mean == pytest.approx(first.mean() - second.mean())
    assert 0 < difference.low < difference.mean < difference.high < 0.5
    alone = bootstrap_interval(first)
    assert alone.high - alone.low > 1


def test_the_seed_decides() -> None:
    scores = np.random.default_rng(2).random(50)
    assert bootstrap_interval(scores, resamples=500) == bootstrap_interval(scores, resamples=500)
    assert bootstrap_interval(scores, resamples=500) != bootstrap_interval(scores, resamples=500, seed=1)


def test_more_scores_than_a_block_holds() -> None:
    interval = bootstrap_interval(np.full((1 << 20) + 1, 3.0), resamples=2)
    assert (interval.mean, interval.low, interval.high) == (3, 3, 3)


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(InputError, match="no scores"):
        bootstrap_interval(np.array([]))
    with pytest.raises(InputError, match="1 and 2 scores: give two of each image"):
        paired_bootstrap_interval(np.zeros(1), np.zeros(2))

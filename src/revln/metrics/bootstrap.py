"""How far a mean over a sample may be from the mean over all that it was drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.errors import InputError

__all__ = ["Interval", "bootstrap_interval", "paired_bootstrap_interval"]

Scores = npt.NDArray[np.floating]
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its confidence interval, in the unit of the scores.

    Attributes:
        mean: of the sample.
        low: lower end.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def bootstrap_interval(scores: Scores, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The percentile interval of a mean (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

    Args:
        scores: one of each image [n].
        level: share of such intervals that hold the true mean.
        resamples: how many samples of n are drawn from the scores, with replacement.
        seed: of the draws.

    Raises:
        InputError: no scores.
    """
    if not len(scores):
        raise InputError("no scores to take the mean of: give some")
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    block = max(1, _BLOCK // len(scores))  # a few megabytes at a time
    for start in range(0, resamples, block):
        part = means[start : start + block]
        part[:] = scores[random.integers(len(scores), size=(len(part), len(scores)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(scores.mean()), float(low), float(high))


def paired_bootstrap_interval(
    first: Scores, second: Scores, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The percentile interval of how much the first mean exceeds the second, over the same images.

    Images are drawn with both their scores, so that hard ones weigh on both sides alike. A difference is told when 0 is
    outside.

    Args:
        first: one score of each image [n].
        second: of the same images, in the same order [n].
        level: share of such intervals that hold the true difference.
        resamples: how many samples of n images are drawn, with replacement.
        seed: of the draws.

    Raises:
        InputError: no scores, or not as many on either side.
    """
    if len(first) != len(second):
        raise InputError(f"{len(first):,} and {len(second):,} scores: give two of each image")
    return bootstrap_interval(first - second, level=level, resamples=resamples, seed=seed)

"""A second look at the best hits: how likely a generator finds it that the text describes each image."""

from __future__ import annotations

import numpy as np

from revln.types import Embedding

__all__ = ["reranked"]

_WEIGHT = 0.5  # of a nat of the likelihood, against one of the odds; see benchmarks/README.md
_LEAST = 1e-6


def reranked(probabilities: Embedding, log_likelihoods: Embedding) -> Embedding:
    """What to sort images by [n].

    Args:
        probabilities: that each fits the text, by their vectors [n].
        log_likelihoods: of the text as a description of each [n]; the median stands for NaN.
    """
    known = ~np.isnan(log_likelihoods)
    if not known.any():
        return probabilities
    filled = np.where(known, log_likelihoods, np.median(log_likelihoods[known]))
    sure = np.clip(probabilities.astype(np.float64), _LEAST, 1 - _LEAST)
    scores: Embedding = (np.log(sure / (1 - sure)) + _WEIGHT * (filled - filled.mean())).astype(np.float32)
    return scores

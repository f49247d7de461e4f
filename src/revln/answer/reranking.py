"""A second look at the best hits: how likely a generator finds the text of each image, and which fit any text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revln.types import Embedding

__all__ = ["reranked"]

# Against one nat of the odds, see benchmarks/README.md:
_LIKELY = 0.5  # of a nat of the likelihood
_HUB = 65.0  # of a cosine of hubness


def reranked(log_odds: npt.NDArray[np.floating], log_likelihoods: Embedding, hubness: Embedding) -> Embedding:
    """What to sort images by [n].

    Args:
        log_odds: of each fitting the text, by its vectors, and its words if they count [n].
        log_likelihoods: of the text as a description of each [n]; the median stands for NaN.
        hubness: mean cosine of each to the texts that are nearest to it [n]; the median stands for NaN.
    """
    scores: Embedding = log_odds + _LIKELY * _centred(log_likelihoods) - _HUB * _centred(hubness)
    return scores.astype(np.float32)


def _centred(values: Embedding) -> Embedding:
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros_like(values)
    filled = np.where(known, values, np.median(values[known]))
    centred: Embedding = filled - filled.mean()
    return centred

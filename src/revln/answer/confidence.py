"""How sure an answer is."""

from __future__ import annotations

import math

import numpy as np

from revln.answer.decoding import Sentence
from revln.metrics import Line, sigmoid

__all__ = ["certainty", "log_odds"]

_LEAST = 1e-6


def log_odds(sentence: Sentence) -> float:
    """Of the whole sentence, as who says it gives them."""
    probability = min(max(math.exp(sum(sentence.log_probabilities)), _LEAST), 1 - _LEAST)
    return math.log(probability / (1 - probability))


def certainty(sentence: Sentence, line: Line) -> float:
    """Probability that a sentence is right.

    Args:
        sentence: what is said.
        line: slope and intercept, from its log-odds to those of its being right.
    """
    slope, intercept = line
    return float(sigmoid(np.array(slope * log_odds(sentence) + intercept)))

"""How sure an answer is."""

from __future__ import annotations

import numpy as np

from revln.answer.decoding import Sentence
from revln.metrics import Line, logit, sigmoid

__all__ = ["certainty", "log_odds"]


def log_odds(sentence: Sentence) -> float:
    """Of the whole sentence, as who says it gives them."""
    return float(logit(np.exp(sum(sentence.log_probabilities))))


def certainty(sentence: Sentence, line: Line) -> float:
    """Probability that a sentence is right.

    Args:
        sentence: what is said.
        line: slope and intercept, from its log-odds to those of its being right.
    """
    slope, intercept = line
    return float(sigmoid(np.array(slope * log_odds(sentence) + intercept)))

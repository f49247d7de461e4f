"""Combining query vectors, and combining what vectors and words say of records."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from revln.errors import QueryError
from revln.metrics import logit
from revln.types import Embedding

__all__ = ["log_odds", "mix", "word_count"]

_WORD = 2.0  # of the score of a query of one word, see benchmarks/README.md
_DAMPING = 0.75
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TERM = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")


def mix(text_vector: Embedding, image_vector: Embedding, text_weight: float) -> Embedding:
    """Unit vector [dim] of a query by text and image together.

    Args:
        text_vector: unit vector [dim].
        image_vector: unit vector [dim].
        text_weight: share of the text, 0 to 1.

    Raises:
        QueryError: the weight is out of range, or the two cancel each other out.
    """
    if not 0 <= text_weight <= 1:
        raise QueryError(f"the text weight is {text_weight}: give a number from 0 to 1")
    mixed = text_weight * text_vector + (1 - text_weight) * image_vector
    length = float(np.linalg.norm(mixed))
    if length < 1e-6:
        raise QueryError("text and image of the query cancel each other out: change the text weight")
    return (mixed / length).astype(np.float32)


def log_odds(probabilities: Embedding, words: Embedding, count: int) -> npt.NDArray[np.float64]:
    """What speaks for records by meaning and by words together, as log-odds [n].

    BM25 is a sum of log-odds over the words of a query that a record holds (Robertson and Zaragoza, 2009, section 3).
    It takes words for independent, which those of a sentence are not: it says too much of them, the more there are.

    Args:
        probabilities: that each is what is asked for, by its vectors [n].
        words: BM25 score of each [n].
        count: of the words of the query.
    """
    weight = float(_WORD / max(count, 1) ** _DAMPING)
    fused: npt.NDArray[np.float64] = logit(probabilities) + weight * words
    return fused


def word_count(text: str) -> int:
    """Words of a query; each character of Chinese, Japanese and Korean, which full text search looks for in pairs."""
    return len(_TERM.findall(text))

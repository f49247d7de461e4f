"""ROUGE-L: the longest sequence of words that a caption and a reference have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from revln.metrics.ngrams import References, Tokens, check_candidates

__all__ = ["rouge_l"]

_BETA = 1.2  # what coco-caption weighs recall with


def rouge_l(candidates: Sequence[Tokens], references: References) -> npt.NDArray[np.float64]:
    """ROUGE-L of each image [n], from 0 to 1 (Lin, "ROUGE", 2004, section 3.1).

    As in coco-caption, precision and recall are each the best over the references, even of different ones.

    Args:
        candidates: a caption for each image [n].
        references: one or more captions of each image [n].

    Raises:
        InputError: no candidates, more or fewer than images, or an image without references.
    """
    check_candidates(candidates, references)
    return np.array([_score(*pair) for pair in zip(candidates, references, strict=True)])


def _score(candidate: Tokens, sentences: Sequence[Tokens]) -> float:
    common = [_longest_common_subsequence(candidate, sentence) for sentence in sentences]
    if not any(common):
        return 0.0
    precision = max(common) / len(candidate)
    recall = max(length / max(1, len(sentence)) for length, sentence in zip(common, sentences, strict=True))
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _longest_common_subsequence(first: Tokens, second: Tokens) -> int:
    """Its length, by dynamic programming; one row of the table is kept."""
    row = [0] * (len(second) + 1)
    for token in first:
        diagonal = 0
        for column, other in enumerate(second, 1):
            above = row[column]
            row[column] = diagonal + 1 if token == other else max(above, row[column - 1])
            diagonal = above
    return row[-1]

"""Which of several sentences agrees best with what is said of like images.

Consensus captions (Devlin et al., 2015, arXiv 1505.04467) take a neighbour's sentence; here it is chosen among those
that a generator has found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revln.metrics import Cider, Tokens

__all__ = ["most_agreeing"]


def most_agreeing(said: Sequence[Tokens], scores: Sequence[float], around: Sequence[Tokens], weight: float) -> int:
    """Number of the sentence with the best sum of its own score and its agreement with the others.

    Args:
        said: the sentences to choose from.
        scores: of each, such as its log-probability.
        around: what is said of like images. One alone, or all the same, tells nothing: no word of it is rare.
        weight: of the agreement, which is CIDEr-D among ``around``, 0 to 10.
    """
    totals = np.array(scores, np.float64)
    if weight and len(said) > 1 and len(around) > 1:
        measure = Cider([around], corpus=[[one] for one in around])
        totals += weight * measure.scores(said, [0] * len(said))
    return int(totals.argmax())

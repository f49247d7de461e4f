"""How well sentences agree with what is said of like images.

Consensus captions (Devlin et al., 2015, arXiv 1505.04467) take a neighbour's sentence; here it is told of any sentence
what a regression on pictures expects of it: the CIDEr-D that it would have with what is said of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from revln.metrics import Cider, Tokens

__all__ = ["agreements"]


def agreements(
    said: Sequence[Tokens], around: Sequence[Sequence[Tokens]], parts: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Agreement of each sentence [m]: the CIDEr-D with what is said of each like image, 0 to 10, summed by parts.

    Args:
        said: the sentences.
        around: what is said of each like image [n]. One alone, or all the same, tells nothing: no word of it is rare.
        parts: how much each of them counts [n].
    """
    if not said or len(around) < 2:
        return np.zeros(len(said))
    agreed: npt.NDArray[np.float64] = Cider(around).table(said) @ np.array(parts)
    return agreed

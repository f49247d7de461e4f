"""How well sentences agree with what is said of like images.

Consensus captions (Devlin et al., 2015, arXiv 1505.04467) take a neighbour's sentence; here it is told of any sentence
what CIDEr-D it may expect with what is said of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from revln.metrics import Rarity, Tokens, cider_table

__all__ = ["agreements"]


def agreements(
    said: Sequence[Tokens], voices: Sequence[Tokens], parts: Sequence[float], rarity: Rarity, itself: float = 1.0
) -> npt.NDArray[np.float64]:
    """Agreement of each sentence [m]: its CIDEr-D with what each voice says, 0 to 10, summed by parts.

    Args:
        said: the sentences.
        voices: sentences about the like images [n].
        parts: how much each of them counts [n].
        rarity: of n-grams where the voices come from.
        itself: how much a voice may count at most for the very sentence that it says, however large its part; that
            others say the same counts in full.
    """
    largest: dict[Tokens, float] = {}
    for voice, part in zip(map(tuple, voices), parts, strict=True):
        largest[voice] = max(part, largest.get(voice, 0.0))
    excess = [max(0.0, largest.get(tuple(sentence), 0.0) - itself) for sentence in said]
    whole = np.diag(cider_table(said, said, rarity)) if any(excess) else np.zeros(len(said))
    agreed: npt.NDArray[np.float64] = cider_table(said, voices, rarity) @ np.array(parts, np.float64) - whole * excess
    return agreed

"""Which records a sentence rests on, by what the generator looked at while it said it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from revln.types import Embedding, Evidence, Hit

__all__ = ["rests_on"]


def rests_on(
    hits: Sequence[Hit], looked: Embedding, entries: npt.NDArray[np.int64], repeated: Sequence[Hit] = ()
) -> tuple[tuple[Evidence, ...], float]:
    """Records with their weights, most weighty first, and the weight of none; together they sum to one.

    Args:
        hits: the records that were recalled.
        looked: share of attention that each place of the context had [s].
        entries: which of the records each place belongs to, -1 for none.
        repeated: the records whose text the sentence is. It rests on these, whatever else was looked at.
    """
    total = float(looked.sum()) or 1.0
    weights = [float(looked[entries == place].sum()) / total for place in range(len(hits))]
    none_weight = max(0.0, 1.0 - sum(weights))
    if repeated:
        return tuple(Evidence(hit, (1.0 - none_weight) / len(repeated)) for hit in repeated), none_weight
    evidence = [Evidence(hit, weight) for hit, weight in zip(hits, weights, strict=True)]
    return tuple(sorted(evidence, key=lambda own: -own.weight)), none_weight

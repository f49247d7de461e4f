"""Which records a sentence rests on: those that the generator looked at while it said it, or whose words it repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from revln.types import Embedding, Evidence, Hit

__all__ = ["rests_on", "rests_on_repeated"]


def rests_on(
    hits: Sequence[Hit], looked: Embedding, entries: npt.NDArray[np.int64]
) -> tuple[tuple[Evidence, ...], float]:
    """Records with their weights, most weighty first, and the weight of none; together they sum to one.

    Args:
        hits: the records that were recalled.
        looked: share of attention that each place of the context had [s].
        entries: which of the records each place belongs to, -1 for none.
    """
    total = float(looked.sum()) or 1.0
    weights = [float(looked[entries == place].sum()) / total for place in range(len(hits))]
    evidence = [Evidence(hit, weight) for hit, weight in zip(hits, weights, strict=True)]
    return tuple(sorted(evidence, key=lambda own: -own.weight)), max(0.0, 1.0 - sum(weights))


def rests_on_repeated(hits: Sequence[Hit], none_weight: float) -> tuple[tuple[Evidence, ...], float]:
    """Records whose text a sentence is, with even weights, and the weight of none; together they sum to one.

    The sentence rests on these, whatever else was looked at.
    """
    return tuple(Evidence(hit, (1.0 - none_weight) / len(hits)) for hit in hits), none_weight

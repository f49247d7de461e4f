"""Whether confidences can be relied on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["covered_accuracy", "expected_calibration_error"]

Confidences = npt.NDArray[np.floating]
Right = npt.NDArray[np.bool_]


def expected_calibration_error(confidences: Confidences, right: Right, bins: int = 10) -> float:
    """Mean distance of confidence and accuracy, over bins of one width (Guo et al., ICML 2017, section 2).

    Args:
        confidences: from 0 to 1 [n].
        right: whether each answer is right [n].
        bins: how many.
    """
    places = np.minimum((confidences * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, right - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / max(len(confidences), 1))


def covered_accuracy(confidences: Confidences, right: Right, coverage: float) -> float:
    """Share of right answers, in percent, among the share ``coverage`` of answers that are surest."""
    count = max(1, round(coverage * len(confidences)))
    surest = np.argsort(-confidences, kind="stable")[:count]
    return 100 * float(right[surest].mean()) if len(confidences) else 0.0

"""Scores to probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Line", "fit_line", "lenient", "logit", "sigmoid", "softmax"]

Line = tuple[float, float]
_MIN_SLOPE = 1e-3
_LEAST = 1e-6
Scores = npt.NDArray[np.floating]


def sigmoid(x: Scores) -> Scores:
    """1 / (1 + exp(-x)), without overflow."""
    result: Scores = 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))
    return result


def logit(probabilities: Scores) -> npt.NDArray[np.float64]:
    """Log-odds, as if no probability were nearer to 0 or to 1 than a millionth."""
    sure = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    odds: npt.NDArray[np.float64] = np.log(sure / (1 - sure))
    return odds


def softmax(logits: Scores) -> npt.NDArray[np.float64]:
    """Probabilities over the last axis, in float64, without overflow."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    normalized: npt.NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return normalized


def fit_line(positives: Scores, negatives: Scores, *, balanced: bool = True) -> Line:
    """Slope and intercept of ``sigmoid(slope * score + intercept)``, by Platt scaling.

    Targets are drawn in a little from 0 and 1, so that few
    and separable scores do not give an infinite slope (Platt, 1999; Newton steps as in Lin, Lin & Weng, 2007). The
    slope is positive even where the scores are no help, since a better score must never be a smaller probability.

    Args:
        positives: scores [n] of what belongs together.
        negatives: scores [m] of what does not.
        balanced: whether both weigh the same whatever their numbers; else each score does, so that probabilities are
            those of a case like these.

    Raises:
        ValueError: one of the two is empty.
    """
    if not (len(positives) and len(negatives)):
        raise ValueError(f"{len(positives)} positive and {len(negatives)} negative scores: need some of both")
    scores = np.concatenate([positives, negatives]).astype(np.float64)
    targets = np.concatenate(
        [
            np.full(len(positives), (len(positives) + 1) / (len(positives) + 2)),
            np.full(len(negatives), 1 / (len(negatives) + 2)),
        ]
    )
    shares = [0.5 / len(part) if balanced else 1 / len(scores) for part in (positives, negatives)]
    weights = np.repeat(shares, [len(positives), len(negatives)])
    ones = np.ones_like(scores)
    slope, intercept = _newton(np.stack([scores, ones], axis=1), np.zeros_like(scores), targets, weights)
    if slope < _MIN_SLOPE:
        slope, (intercept,) = _MIN_SLOPE, _newton(ones[:, None], _MIN_SLOPE * scores, targets, weights)
    return float(slope), float(intercept)


def lenient(line: Line, positives: Scores, accepted: float) -> Line:
    """The line moved, where needed, so that at least a share of the positives gets a probability of one half."""
    slope, intercept = line
    return slope, max(intercept, -slope * float(np.quantile(positives, 1 - accepted)))


def _newton(
    features: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Weights [f] of the features [n, f] in a logistic regression on targets [n], with an offset [n] kept fixed."""
    solution = np.zeros(features.shape[1])
    for _ in range(100):
        predicted = sigmoid(features @ solution + offset)
        gradient = features.T @ (weights * (predicted - targets))
        curvature = (features * (weights * predicted * (1 - predicted))[:, None]).T @ features
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(solution)), gradient)
        # A step of bounded length: far from the solution the curvature is flat and full steps overshoot.
        solution -= step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return solution

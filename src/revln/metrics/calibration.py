"""Scores to probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Line", "fit_line", "sigmoid"]

Line = tuple[float, float]
Scores = npt.NDArray[np.floating]


def sigmoid(x: Scores) -> Scores:
    """1 / (1 + exp(-x)), without overflow."""
    result: Scores = 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))
    return result


def fit_line(positives: Scores, negatives: Scores) -> Line:
    """Slope and intercept of ``sigmoid(slope * score + intercept)``, by Platt scaling.

    Both classes weigh the same whatever their numbers, and targets are drawn in a little from 0 and 1, so that few
    and separable scores do not give an infinite slope (Platt, 1999; Newton steps as in Lin, Lin & Weng, 2007).

    Args:
        positives: scores [n] of what belongs together.
        negatives: scores [m] of what does not.
    """
    scores = np.concatenate([positives, negatives]).astype(np.float64)
    targets = np.concatenate(
        [
            np.full(len(positives), (len(positives) + 1) / (len(positives) + 2)),
            np.full(len(negatives), 1 / (len(negatives) + 2)),
        ]
    )
    weights = np.concatenate([np.full(len(part), 0.5 / len(part)) for part in (positives, negatives)])
    features = np.stack([scores, np.ones_like(scores)], axis=1)
    solution = np.zeros(2)
    for _ in range(100):
        predicted = sigmoid(features @ solution)
        gradient = features.T @ (weights * (predicted - targets))
        curvature = (features * (weights * predicted * (1 - predicted))[:, None]).T @ features
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        # A step of bounded length: far from the solution the curvature is flat and full steps overshoot.
        solution -= step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return float(solution[0]), float(solution[1])

"""Kernel ridge regression at one place, over the examples nearest to it (Saunders et al., ICML 1998).

Like a weighted vote of neighbours it sums one term an example; unlike one it does not count five pictures of the same
thing five times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["likeness_kernel", "ridge_weights"]

Vectors = npt.NDArray[np.floating]

_WIDTH = 1.2


def likeness_kernel(rows: Vectors, others: Vectors) -> npt.NDArray[np.float64]:
    """Kernel values [..., m] between unit vectors [..., dim] and [m, dim], 1 for the same ones."""
    kernel: npt.NDArray[np.float64] = np.exp((rows.astype(np.float64) @ others.T - 1) / _WIDTH)
    return kernel


def ridge_weights(examples: Vectors, place: Vectors, ridge: float) -> npt.NDArray[np.float64]:
    """How much each example counts in what the regression says of a place: its weights [n], which sum to one.

    The regression is that of deviations from the mean over the examples. Weights may be negative.

    Args:
        examples: unit vectors [n, dim].
        place: unit vector [dim].
        ridge: added to the kernel's diagonal; with more of it the weights are more alike.
    """
    count = len(examples)
    kernel = likeness_kernel(examples, examples) + ridge * np.eye(count)
    own = np.linalg.solve(kernel, likeness_kernel(place, examples))
    weights: npt.NDArray[np.float64] = own + (1 - own.sum()) / max(count, 1)
    return weights

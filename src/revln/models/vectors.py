"""Vectors of the joint space, as rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from revln.types import Embedding

__all__ = ["unit_rows"]


def unit_rows(rows: npt.NDArray[Any]) -> Embedding:
    """Rows [n, dim] of unit length. One that is not finite becomes zero: it would spoil the order of all others."""
    rows = rows.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):
        unit: Embedding = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    unit[~np.isfinite(unit).all(axis=1)] = 0.0
    return unit

"""The field's measures, in NumPy. Percentages are 0 to 100."""

from __future__ import annotations

from revln.metrics.calibration import Line, fit_line, lenient, sigmoid, softmax
from revln.metrics.ranking import mean_average_precision, recall_at, retrieval_recall

__all__ = [
    "Line",
    "fit_line",
    "lenient",
    "mean_average_precision",
    "recall_at",
    "retrieval_recall",
    "sigmoid",
    "softmax",
]

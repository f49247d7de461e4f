"""The field's measures, in NumPy. Percentages are 0 to 100."""

from __future__ import annotations

from revln.metrics.bleu import bleu
from revln.metrics.bootstrap import Interval, bootstrap_interval, paired_bootstrap_interval
from revln.metrics.calibration import Line, fit_line, lenient, logit, sigmoid, softmax
from revln.metrics.captions import caption_scores
from revln.metrics.cider import Cider
from revln.metrics.cider_table import Rarity, cider_table
from revln.metrics.kernel_ridge import likeness_kernel, ridge_weights
from revln.metrics.kneser_ney import Trigram
from revln.metrics.ngrams import Tokens
from revln.metrics.ranking import mean_average_precision, recall_at, retrieval_recall
from revln.metrics.reliability import covered_accuracy, expected_calibration_error
from revln.metrics.rouge import rouge_l

__all__ = [
    "Cider",
    "Interval",
    "Line",
    "Rarity",
    "Tokens",
    "Trigram",
    "bleu",
    "bootstrap_interval",
    "caption_scores",
    "cider_table",
    "covered_accuracy",
    "expected_calibration_error",
    "fit_line",
    "lenient",
    "likeness_kernel",
    "logit",
    "mean_average_precision",
    "paired_bootstrap_interval",
    "recall_at",
    "retrieval_recall",
    "ridge_weights",
    "rouge_l",
    "sigmoid",
    "softmax",
]

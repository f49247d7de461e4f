"""Published protocols, run over the user's own files. Percentages are 0 to 100."""

from __future__ import annotations

from revln.evaluate.answers import AnswerScores, evaluate_answers
from revln.evaluate.captions import CaptionScores, evaluate_captions
from revln.evaluate.classification import ClassificationScores, evaluate_classification
from revln.evaluate.retrieval import RetrievalScores, evaluate_retrieval

__all__ = [
    "AnswerScores",
    "CaptionScores",
    "ClassificationScores",
    "RetrievalScores",
    "evaluate_answers",
    "evaluate_captions",
    "evaluate_classification",
    "evaluate_retrieval",
]

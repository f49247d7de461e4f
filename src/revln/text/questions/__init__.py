"""Questions with short answers, made out of captions by rules, in the manner of COCO-QA."""

from __future__ import annotations

from revln.text.questions.balance import balanced
from revln.text.questions.making import LANGUAGES, answers_of, questions_of
from revln.text.questions.question import TYPES, Question

__all__ = ["LANGUAGES", "TYPES", "Question", "answers_of", "balanced", "questions_of"]

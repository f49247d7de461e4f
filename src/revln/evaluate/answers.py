"""Answers to questions about photos against the right ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from revln.config import RECALLED
from revln.errors import InputError
from revln.evaluate.captioned_images import find_images
from revln.metrics import covered_accuracy, expected_calibration_error
from revln.models import Model
from revln.pipeline import Asked, Asker, Memory
from revln.pipeline.looking import model_to_ask
from revln.sources import read_questions
from revln.text.questions import Question
from revln.types import Answer, ImageEncoding

__all__ = ["AnswerScores", "evaluate_answers"]

_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """How many answers are right, in percent.

    Attributes:
        accuracy: of all.
        by_type: of each type of question.
        counts: questions of each type.
        surer_half: of the half with the higher confidences.
        calibration_error: expected calibration error of the confidences, 0 to 1.
        answers: of each question in the order of the file, with whether it is right.
    """

    accuracy: float
    by_type: Mapping[str, float]
    counts: Mapping[str, int]
    surer_half: float
    calibration_error: float
    answers: tuple[tuple[Answer, bool], ...]

    @property
    def questions(self) -> int:
        """How many were asked."""
        return len(self.answers)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "accuracy": round(self.accuracy, 2),
            "by_type": {name: round(value, 2) for name, value in self.by_type.items()},
            "questions": self.questions,
            "surer_half": round(self.surer_half, 2),
            "calibration_error": round(self.calibration_error, 4),
        }


def evaluate_answers(
    questions: str | Path,
    *,
    images: str | Path | None = None,
    memory: Memory | None = None,
    model: Model | str | Path | None = None,
    k: int = RECALLED,
    blind: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> AnswerScores:
    """Answers questions about images, their own records left out, and compares word by word.

    Args:
        questions: file of questions, see ``read_questions``.
        images: folder; that of the file if not given.
        memory: what is recalled.
        model: used without a memory; ``base`` when not given.
        k: records to recall.
        blind: ask without showing the image, as for what the question alone gives away.
        progress: called with the photos done and the photos in all.

    Raises:
        InputError: the file cannot be used, or an image is missing.
        ImageError: an image cannot be read.
    """
    asked = read_questions(questions)
    if not asked:
        raise InputError(f"{questions}: holds no questions: make some with revln data questions")
    about: dict[str, list[int]] = defaultdict(list)
    for number, question in enumerate(asked):
        about[question.image].append(number)
    used = model_to_ask(memory, model)
    asker = Asker(used, None if blind else memory, k=k, exclude_self=True, threshold=0.0)
    files = find_images(Path(questions).parent if images is None else Path(images), list(about))
    answers: dict[int, Answer] = {}
    waiting: list[tuple[int, Asked]] = []
    for done, (file, numbers, seen) in enumerate(zip(files, about.values(), used.look(files), strict=True), start=1):
        shown = _nothing_like(seen) if blind else seen
        waiting += [(number, Asked(str(file), shown, asked[number].question)) for number in numbers]
        if len(waiting) >= _TOGETHER or done == len(files):
            told = asker.answer([question for _, question in waiting])
            answers |= {number: answer for (number, _), answer in zip(waiting, told, strict=True)}
            waiting = []
        if progress is not None:
            progress(done, len(files))
    return _scores(asked, [answers[number] for number in range(len(asked))])


def _scores(asked: list[Question], answers: list[Answer]) -> AnswerScores:
    right = np.array(
        [answer.text.casefold() == question.answer.casefold() for question, answer in zip(asked, answers, strict=True)]
    )
    sure = np.array([answer.confidence for answer in answers])
    types = np.array([question.type for question in asked])
    counts = dict(Counter(types.tolist()).most_common())
    return AnswerScores(
        100 * float(right.mean()),
        {name: 100 * float(right[types == name].mean()) for name in counts},
        counts,
        covered_accuracy(sure, right, 0.5),
        expected_calibration_error(sure, right),
        tuple(zip(answers, right.tolist(), strict=True)),
    )


def _nothing_like(seen: ImageEncoding) -> ImageEncoding:
    """What the generator was shown in training where a question was to be answered without a photo."""
    return ImageEncoding(np.zeros_like(seen.embeddings), None, None if seen.grid is None else np.zeros_like(seen.grid))

"""Visual questions with their answers, as VQA publishes them.

Goyal et al., 2017 (VQA v2, arXiv 1612.00837): a file of ``questions`` and one of ``annotations``, joined by
``question_id``; or one file with both.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revln.errors import InputError
from revln.images import os_reason
from revln.sources.files import absolute, first_existing, printable
from revln.types import Candidate, Skipped

__all__ = ["QuestionSource", "is_questions"]

_MARK = re.compile(rb'"(questions|question_id)"\s*:')
_CHUNK = 2**20
_OVERLAP = 64


class QuestionSource:
    """Questions with answers as ``qa`` records, each with the path of its image where there is one.

    An image is looked for beside the file, in ``images`` and in the folder of its COCO split there; its name is that
    of the question's ``image``, or COCO's for its ``image_id`` (``COCO_val2014_000000000042.jpg``). The answer is
    the most common of the annotators'.

    Args:
        paths: the questions and the annotations, or one file that has both; several pairs may be mixed.
        name: what the records call their source.

    Raises:
        InputError: a file cannot be read or is no such JSON, or there are questions or annotations only.
    """

    def __init__(self, paths: Sequence[Path | str], *, name: str = "files") -> None:
        self._name = name
        self._asked: list[_Asked] = []
        self._answers: dict[object, str] = {}
        files = [absolute(Path(path)) for path in paths]
        for file in files:
            self._read(file)
        named = ", ".join(map(printable, files))
        if not self._asked:
            raise InputError(
                f"{named}: holds no questions: give the file of the questions together with the annotations"
            )
        if not self._answers and not any(question.answer for question in self._asked):
            raise InputError(f"{named}: holds no answers: give the file of the annotations together with the questions")

    def scan(self) -> Iterator[Candidate | Skipped]:
        """Yields a candidate for each question, and those without an answer as skipped."""
        for asked in self._asked:
            uri = printable(asked.file)
            answer = asked.answer or self._answers.get(asked.key, "")
            if not asked.question or not answer:
                yield Skipped(uri, f"question {asked.number}: has no {'answer' if asked.question else 'text'}")
                continue
            facts = {"question": asked.question, "answer": answer, **({"image": asked.image} if asked.image else {})}
            texts = (f"{asked.question} {answer}",)
            yield Candidate(self._name, "qa", uri, asked.file, 0, 0, texts, None, asked.number, facts)

    def _read(self, file: Path) -> None:
        content = _json(file)
        images = _Images(file.parent, content)
        for number, entry in enumerate(_entries(content, "questions"), start=1):
            question = _text(entry.get("question"))
            self._asked.append(
                _Asked(file, number, entry.get("question_id"), question, _answer(entry), images.find(entry))
            )
        for entry in _entries(content, "annotations"):
            if answer := _answer(entry):
                self._answers[entry.get("question_id")] = answer


def is_questions(path: Path) -> bool:
    """Whether a JSON file is one of questions or their annotations, and not of captions.

    Raises:
        OSError: it cannot be read.
    """
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if _MARK.search(tail + chunk):
                return True
            tail = chunk[-_OVERLAP:]
    return False


class _Asked(NamedTuple):
    """A question before its answer is looked up; ``key`` is what an annotation knows it by."""

    file: Path
    number: int
    key: object
    question: str
    answer: str
    image: str | None


class _Images:
    """Finds the images of one file's questions."""

    def __init__(self, folder: Path, content: Mapping[str, Any]) -> None:
        self._split = _text(content.get("data_subtype"))
        self._folders = [folder, folder / "images", *([folder / self._split] if self._split else [])]
        self._names = {entry.get("id"): _text(entry.get("file_name")) for entry in _entries(content, "images")}
        self._last: tuple[str, str] = ("", "")  # an image's questions follow each other

    def find(self, entry: Mapping[str, Any]) -> str | None:
        """Path of a question's image; where there is no such file, as if it lay beside the questions."""
        number = entry.get("image_id")
        name = _text(entry.get("image")) or self._names.get(number, "")
        if not name and self._split and isinstance(number, int):
            name = f"COCO_{self._split}_{number:012d}.jpg"
        if not name or "\0" in name:
            return None
        if name != self._last[0]:
            places = [absolute(folder / name) for folder in self._folders]
            self._last = (name, str(first_existing(places)))
        return self._last[1]


def _json(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{printable(file)}: {os_reason(error)}: check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{printable(file)}: is no valid JSON: {error}: download it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{printable(file)}: is no JSON object: give the questions and annotations of VQA")
    return content


def _entries(content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = content.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _answer(entry: Mapping[str, Any]) -> str:
    """What most annotators said; of the first said among equals."""
    for key in ("multiple_choice_answer", "answer"):
        if answer := _text(entry.get(key)):
            return answer
    answers = entry.get("answers")
    said = (
        [_text(each.get("answer") if isinstance(each, dict) else each) for each in answers or ()]
        if isinstance(answers, list)
        else []
    )
    return next((answer for answer, _ in Counter(filter(None, said)).most_common(1)), "")


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""

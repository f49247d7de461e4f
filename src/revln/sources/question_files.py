"""Files of visual questions with their answers: JSON Lines, one question a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from revln.errors import InputError
from revln.images import os_reason
from revln.sources._text import read_text
from revln.text.questions import TYPES, Question

__all__ = ["read_questions", "write_questions"]

_FIELDS = tuple(field.name for field in fields(Question))
_WAY_OUT = "make the file with revln data questions"


def read_questions(path: Path | str) -> list[Question]:
    """The questions of a file, in its order; blank lines are passed over.

    Raises:
        InputError: the file is missing, empty, in a wrong encoding, or a line is no question.
    """
    path = Path(path)
    lines = enumerate(read_text(path).split("\n"), start=1)
    return [_question(line, f"{path}: line {number}") for number, line in lines if line.strip()]


def write_questions(path: Path | str, questions: Iterable[Question]) -> None:
    """Writes a file of questions, which appears as a whole or not at all.

    Raises:
        InputError: its folder is missing, or it cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder: make it, or choose another for the questions")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            # Half of a surrogate pair, which is no UTF-8, is escaped, and JSON reads it back.
            with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.writelines(f"{json.dumps(asdict(question), ensure_ascii=False)}\n" for question in questions)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: {os_reason(error)}: choose another place for the questions") from error


def _question(line: str, where: str) -> Question:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no valid JSON: {_WAY_OUT}") from error
    if not isinstance(entry, dict):
        raise InputError(f"{where} is no JSON object: {_WAY_OUT}")
    for name in _FIELDS:
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise InputError(f"{where} has no {name!r} that is a text: {_WAY_OUT}")
    if entry["type"] not in TYPES:
        raise InputError(f"{where} has the type {entry['type']!r}: it has to be one of {', '.join(TYPES)}")
    return Question(**{name: entry[name] for name in _FIELDS})

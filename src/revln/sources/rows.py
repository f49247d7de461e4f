"""What a row of a table says, told by the names of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revln.sources.files import absolute, photo_candidate, printable
from revln.types import Candidate, Kind, Skipped

__all__ = ["COLUMNS", "candidate_of", "label_of", "texts_of"]

_IMAGE = ("image", "file_name", "path")
_TEXTS = ("caption", "captions", "text", "texts")
_QUESTION = ("question", "answer")
_TRIPLE = ("subject", "relation", "object")

COLUMNS = (*_IMAGE, *_TEXTS, "label", *_QUESTION, *_TRIPLE)
"""The columns that are understood."""


def candidate_of(row: Mapping[str, Any], *, table: Path, number: int, source: str) -> Candidate | str:
    """The record that a row makes, or why it makes none.

    ``question`` and ``answer``, maybe with an image, make a ``qa``; ``subject``, ``relation`` and ``object`` a
    ``triple``; an image a photo with what is said of it; ``label`` without an image a ``label``; texts a ``text``.

    Args:
        row: values by column; other columns than ``COLUMNS`` are passed over.
        table: where the row is; images are looked for beside it.
        number: of the row.
        source: name of the source.
    """
    image = next((row[name] for name in _IMAGE if row.get(name) not in (None, "")), None)
    if image is not None and (not isinstance(image, str) or "\0" in image):
        return "its image is not given by a path"
    photo = None if image is None else absolute(table.parent / image.replace("\\", "/"))
    texts, label = texts_of(row), label_of(row)
    facts: dict[str, str] = {}
    kind: Kind
    if answered := _strings(row, _QUESTION):
        kind, texts = "qa", (" ".join(answered.values()),)
        facts = answered if photo is None else {**answered, "image": str(photo)}
    elif facts := _strings(row, _TRIPLE):
        kind, texts = "triple", (" ".join(facts.values()),)
    elif photo is not None:
        found = photo_candidate(photo, source=source, texts=texts or None, label=label)
        return f"{found.path}: {found.reason}" if isinstance(found, Skipped) else found
    elif label:
        kind, texts = "label", texts or (label,)
    elif texts:
        kind = "text"
    else:
        return "has no columns that make a record"
    # All that there is to such a record is in its texts, facts and label, so that rows added to the table change none.
    return Candidate(source, kind, printable(table), table, 0, 0, texts, label, number, facts)


def texts_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The captions or texts of a row, each a string or a list of strings; blank ones are dropped."""
    values = [row.get(name) for name in _TEXTS]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))


def label_of(row: Mapping[str, Any]) -> str | None:
    """The class of a row, a name or a number."""
    return _string(row.get("label")) or None


def _strings(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """The columns as strings; empty when one is missing."""
    strings = {name: _string(row.get(name)) for name in names}
    return strings if all(strings.values()) else {}


def _string(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""

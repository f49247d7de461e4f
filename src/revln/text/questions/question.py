"""What a question about a photo is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TYPES", "Question"]

TYPES = ("object", "number", "colour", "activity", "place")
"""What may be asked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a photo, and the one word that answers it.

    Attributes:
        image: name of the photo.
        question: a whole sentence.
        answer: one word, out of the word lists.
        type: one of ``TYPES``.
        language: ISO 639-1 code of both.
    """

    image: str
    question: str
    answer: str
    type: str
    language: str

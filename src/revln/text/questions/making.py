"""Captions of photos to questions about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import NamedTuple

from revln.errors import InputError
from revln.text.questions import chinese, english
from revln.text.questions.agreement import agreed
from revln.text.questions.claims import Reading
from revln.text.questions.question import Question
from revln.text.script import written_in

__all__ = ["LANGUAGES", "answers_of", "questions_of"]

_PER_TYPE = 2  # of one photo: more would ask for the same again


class _Rules(NamedTuple):
    """What a language has to know."""

    read: Callable[[str], Reading]
    broader: Callable[[], Mapping[str, Set[str]]]
    answers: Callable[[], Mapping[str, Set[str]]]
    gives_away: Callable[[str, str], bool]


_RULES = {
    module.LANGUAGE: _Rules(module.read, module.broader, module.answers, module.gives_away)
    for module in (english, chinese)
}

LANGUAGES = tuple(_RULES)
"""ISO 639-1 codes of the languages that there are rules for."""


def questions_of(captions: Mapping[str, Sequence[str]], language: str) -> list[Question]:
    """Questions about photos, in the order of the photos.

    The captions of a photo are read together: what some say must not be contradicted by the others. There are at most
    two questions of a type about a photo. The same captions always make the same questions.

    Args:
        captions: by image name; those in another script than that of the language are passed over.
        language: one of ``LANGUAGES``.

    Raises:
        InputError: there are no rules for the language.
    """
    rules = _rules_of(language)
    return [
        question
        for image, texts in captions.items()
        for question in _about(image, [text for text in texts if written_in(text, language)], language, rules)
    ]


def answers_of(language: str) -> dict[str, frozenset[str]]:
    """Every answer that a question in a language can have, by its type.

    Raises:
        InputError: there are no rules for the language.
    """
    return {kind: frozenset(words) for kind, words in _rules_of(language).answers().items()}


def _rules_of(language: str) -> _Rules:
    if language not in _RULES:
        raise InputError(f"no questions can be made in {language!r}: choose {' or '.join(LANGUAGES)}")
    return _RULES[language]


def _about(image: str, captions: Sequence[str], language: str, rules: _Rules) -> list[Question]:
    answers = rules.answers()
    made: list[Question] = []
    count: Counter[str] = Counter()
    for claim in agreed([rules.read(caption) for caption in captions], rules.broader()):
        if (
            count[claim.type] < _PER_TYPE
            and claim.answer in answers[claim.type]
            and not rules.gives_away(claim.question, claim.answer)
        ):
            count[claim.type] += 1
            made.append(Question(image, claim.question, claim.answer, claim.type, language))
    return made

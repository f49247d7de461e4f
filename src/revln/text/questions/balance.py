"""Fewer of the most common answers, so that a guess without the photo is seldom right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from hashlib import blake2b

from revln.text.questions.question import Question

__all__ = ["SHARE", "balanced"]

SHARE = Fraction(1, 3)
"""The most that one answer may make of the questions of its type and language."""


def balanced(questions: Sequence[Question], *, thin: bool = True, min_count: int = 1) -> list[Question]:
    """The questions without rare answers, and with fewer of the common ones, in the same order.

    Within each language and type, answers of fewer than ``min_count`` questions are dropped first. Then each answer
    keeps at most c questions, where c is the largest number by which none makes more than ``SHARE`` of those that are
    kept; of fewer than three answers each may make an equal part. Which ones are kept is told by a hash of the image's
    name and the question: the same at every call, and unrelated to their order.

    Args:
        questions: of any languages and types.
        thin: whether common answers are thinned.
        min_count: how many questions an answer needs.
    """
    groups: defaultdict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)
    for place, question in enumerate(questions):
        groups[question.language, question.type].setdefault(question.answer, []).append(place)
    kept: set[int] = set()
    for answers in groups.values():
        enough = [places for places in answers.values() if len(places) >= min_count]
        most = _most([len(places) for places in enough]) if thin else len(questions)
        for places in enough:
            kept.update(sorted(places, key=lambda place: _rank(questions[place]))[:most])
    return [question for place, question in enumerate(questions) if place in kept]


def _most(counts: Iterable[int]) -> int:
    """How many questions an answer may keep, by how many each has."""
    sizes = Counter(counts)
    answers = sum(sizes.values())
    if not answers:
        return 0
    share = max(SHARE, Fraction(1, answers))
    # What is kept grows ever more slowly with c, so the largest c that fits is the first from above.
    for most in range(max(sizes), 1, -1):
        if most <= share * sum(times * min(size, most) for size, times in sizes.items()):
            return most
    return 1


def _rank(question: Question) -> bytes:
    return blake2b(f"{question.image}\n{question.question}".encode("utf-8", "surrogatepass"), digest_size=8).digest()

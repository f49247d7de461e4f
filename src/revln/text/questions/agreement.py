"""What the captions of one photo say together: contradictions end a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from revln.text.questions.claims import Claim, Reading

__all__ = ["agreed"]

# Of what someone does, and where, captions tell different sides: most of them have to agree. Of all else every one.
_BY_MAJORITY = frozenset({"activity", "place"})
_NAMED = 2  # what one caption calls a man may be a boy or a woman to the others


def agreed(readings: Sequence[Reading], broader: Mapping[str, Set[str]]) -> list[Claim]:
    """The claims that may be asked for, one for each thing that is claimed; those of most captions come first.

    Args:
        readings: one a caption.
        broader: nouns by a narrower one: a boy is a child and a person. A broader answer does not contradict.
    """
    said: dict[tuple[str, str], Counter[str]] = {}
    for reading in readings:
        for topic, answer in dict.fromkeys(((claim.type, claim.about), claim.answer) for claim in reading.claims):
            said.setdefault(topic, Counter())[answer] += 1
    settled = {topic: _settled(topic[0], answers, broader) for topic, answers in said.items()}
    unfit = _unfit_nouns(readings, broader)
    asked: dict[tuple[str, str], Counter[Claim]] = {}
    for claim in (claim for reading in readings for claim in reading.claims if claim.question):
        answer, support = settled[claim.type, claim.about]
        least = claim.least if claim.always else min(claim.least, len(readings))
        if claim.answer == answer and support >= least and claim.supposes not in unfit:
            asked.setdefault((claim.type, claim.about), Counter())[claim] += 1
    kept = {topic: claims.most_common(1)[0][0] for topic, claims in asked.items()}
    return [kept[topic] for topic in sorted(kept, key=lambda topic: -settled[topic][1])]


def _unfit_nouns(readings: Sequence[Reading], broader: Mapping[str, Set[str]]) -> set[str]:
    """Nouns of which "the man" cannot be said: there are several, or one caption of many alone sees a man."""
    several = {noun for reading in readings for noun in reading.several}
    persons = Counter(noun for reading in readings for noun in reading.persons)
    needed = min(_NAMED, len(readings))
    nouns = {claim.supposes for reading in readings for claim in reading.claims if claim.supposes}
    return {
        noun
        for noun in nouns
        if not several.isdisjoint({noun, *broader.get(noun, ())}) or (noun in persons and persons[noun] < needed)
    }


def _settled(kind: str, answers: Counter[str], broader: Mapping[str, Set[str]]) -> tuple[str, int]:
    """The answer that holds and how many captions support it; an empty one when none does."""
    narrow = {
        answer: count
        for answer, count in answers.items()
        if not any(answer in broader.get(other, ()) for other in answers if other != answer)
    }
    best = max(narrow, key=lambda answer: narrow[answer])
    holds = 2 * narrow[best] > sum(narrow.values()) if kind in _BY_MAJORITY else len(narrow) == 1
    return (best, narrow[best]) if holds else ("", 0)

"""What one caption says that a question can be made of."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Claim", "Reading"]


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that a caption says.

    Attributes:
        type: of the question, one of ``TYPES``.
        about: what is claimed of; claims about the same have to agree.
        answer: what is claimed; empty when the caption says only that no single word is right.
        question: that it answers; empty for a claim that speaks for or against others and is not asked itself.
        supposes: the noun of which the question takes for granted that the photo has one only; may be empty.
        least: how many captions have to say so; all of them where there are fewer.
        always: whether that many have to say so even then.
    """

    type: str
    about: str
    answer: str
    question: str = ""
    supposes: str = ""
    least: int = 1
    always: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one caption says.

    Attributes:
        claims: in the order of the caption.
        several: nouns that there is more than one of.
        persons: nouns by which it names persons.
    """

    claims: tuple[Claim, ...] = ()
    several: frozenset[str] = field(default_factory=frozenset)
    persons: frozenset[str] = field(default_factory=frozenset)

"""How well sentences agree with what is said of like images."""

from __future__ import annotations

import pytest

from revln.answer import agreements
from revln.metrics import Rarity

VOICES = [text.split() for text in ("a dog runs on grass", "a brown dog runs", "a cat sleeps", "two men talk")]
SAID = [text.split() for text in ("a man sits", "a brown dog runs on grass", "a cat")]
RARITY = Rarity([[voice] for voice in VOICES])


def test_the_sentence_that_others_say_agrees_best() -> None:
    assert int(agreements(SAID, VOICES, [0.25] * 4, RARITY).argmax()) == 1


def test_voices_count_by_their_parts() -> None:
    assert int(agreements(SAID, VOICES, [0.1, 0.1, 0.7, 0.1], RARITY).argmax()) == 2
    first, second = (agreements(SAID, VOICES, parts, RARITY) for parts in ([1, 0, 0, 0], [0, 1, 0, 0]))
    assert agreements(SAID, VOICES, [0.5, 0.5, 0, 0], RARITY) == pytest.approx((first + second) / 2)
    assert agreements([VOICES[0]], VOICES, [1, 0, 0, 0], RARITY) == pytest.approx(10)


def test_what_is_said_everywhere_counts_little() -> None:
    often = Rarity([[text.split()] for text in ("a dog", "a dog runs", "a dog on grass", "a cat")])
    assert agreements([["dog"]], VOICES, [0.25] * 4, often) < agreements([["cat"]], VOICES, [0.25] * 4, often)


def test_a_voice_counts_little_for_itself() -> None:
    """But others that say the same count in full."""
    own, parts = [VOICES[0]], [0.4, 0.3, 0.2, 0.1]
    others = agreements(own, VOICES, [0.0, *parts[1:]], RARITY)
    assert agreements(own, VOICES, parts, RARITY, 0.1) == pytest.approx(others + 1)
    assert agreements(own, VOICES, parts, RARITY, 0.5) == pytest.approx(others + 4)
    again, more = [*VOICES, list(VOICES[0])], [*parts, 0.4]
    assert agreements(own, again, more, RARITY, 0.1) == pytest.approx(others + 5)
    assert agreements(SAID, VOICES, parts, RARITY, 0.1) == pytest.approx(agreements(SAID, VOICES, parts, RARITY))


def test_nothing_said_and_nothing_heard() -> None:
    assert agreements([], VOICES, [0.25] * 4, RARITY).shape == (0,)
    assert agreements(SAID, [], [], RARITY).tolist() == [0, 0, 0]

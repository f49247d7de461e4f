"""Words that nobody has met in the place of known ones, so that a generator learns to take names from its memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from revln.text.special import BYTES, SPECIAL
from revln.train.text_encoders import Sentences

__all__ = ["Inventor"]

_COMMON = 120  # pieces that occur most are grammar rather than names
_HAN_FIRST = "\u3400"
_STARTS = ("▁", "Ġ")  # of our own tokenizer, and of those that cut bytes


class Inventor:
    """Replaces a word that captions share with recalled texts by an invented one, in all of them.

    Args:
        tokenizer: of the generator.
        texts: token ids of texts, for what is common.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[Sentences]) -> None:
        names = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        pieces = [(name, number) for name, number in names if number >= len(SPECIAL) + len(BYTES)]
        common = {
            number
            for own in texts
            for number, _ in Counter(piece for text in own for piece in text).most_common(_COMMON)
        }
        starts = [number for name, number in pieces if name.startswith(_STARTS) and name[1:].isalpha()]
        self._parts = [number for name, number in pieces if name.isascii() and name.isalpha() and len(name) < 5]
        self._starts = [number for number in starts if len(names[number][0]) < 6]
        self._han = [number for name, number in pieces if name >= _HAN_FIRST and name.isalpha()]
        self._words = dict.fromkeys(starts, False) | dict.fromkeys(self._han, True)
        for number in common:
            self._words.pop(number, None)

    def __call__(
        self, captions: Sentences, recalled: Sentences, chance: np.random.Generator
    ) -> tuple[Sentences, Sentences]:
        """The captions and the recalled texts with one word replaced, if they share one."""
        told = {piece for caption in captions for piece in caption if piece in self._words}
        shared = sorted(told & {piece for text in recalled for piece in text})
        if not shared or not self._parts or not self._starts:
            return captions, recalled
        word = int(chance.choice(shared))
        if self._words[word]:
            new = chance.choice(self._han, 2).tolist()
        else:
            new = [int(chance.choice(self._starts)), *chance.choice(self._parts, int(chance.integers(1, 3))).tolist()]

        def replaced(sentence: list[int]) -> list[int]:
            return [part for piece in sentence for part in (new if piece == word else [piece])]

        return [replaced(caption) for caption in captions], [replaced(text) for text in recalled]

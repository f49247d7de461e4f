"""Chinese words as the rules know them, and captions cut into them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from revln.text.questions.word_lists import narrower_to_broader, word_list

__all__ = ["Token", "Words", "chinese_words", "kinds_at", "tokens_of"]

_TABLES = ("persons", "roles", "animals", "clothes", "things", "places", "colours", "activities")
_LISTS = {"many": "many", "further": "further", "adjectives": "adjective"}
_WORDS = {"patterned": "patterned", "others": "other", "beside": "beside"}
# Words of the grammar; the ones with a value are read as if that stood there.
_GRAMMAR = {
    **dict.fromkeys(("的", "在", "着", "了", "们", "有", "和", "跟", "与", "正在", "正"), ""),
    **dict.fromkeys(("手里", "手中", "手上", "嘴里", "嘴中", "头上", "身上", "嘴上"), "body"),
}
_SAME_VERB = {
    "手拿": "拿",
    "手持": "拿",
    "拿": "拿",
    "嘴叼": "叼",
    "头戴": "戴",
    "身穿": "穿",
    "身着": "穿",
    "身背": "背",
}
_PUNCTUATION = re.compile(r"[\s。．.！!？?；;]+$")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a caption.

    Attributes:
        text: as written.
        kinds: the tables that it stands in, with the plainest word for it in each; empty for what is not known.
    """

    text: str
    kinds: Mapping[str, str] = field(default_factory=dict)

    def name(self, *kinds: str) -> str:
        """The plainest word for it in the first of some tables that has it; empty when none does."""
        return next((self.kinds[kind] for kind in kinds if kind in self.kinds), "")


@dataclass(frozen=True, slots=True)
class Words:
    """All that is known.

    Attributes:
        tokens: every word.
        longest: characters of the longest.
        count: finds a number with its measure word.
        tables: the tables of the word list, by name.
        seats: places that are no answer to where someone is.
        broader: the broader words of each answer.
    """

    tokens: Mapping[str, Token]
    longest: int
    count: re.Pattern[str]
    tables: Mapping[str, Any]
    seats: Set[str]
    broader: Mapping[str, Set[str]]


@cache
def chinese_words() -> Words:
    """The word list ``chinese``."""
    content = word_list("chinese")
    kinds: dict[str, dict[str, str]] = {}

    def add(word: str, kind: str, name: str) -> None:
        kinds.setdefault(word, {}).setdefault(kind, name)

    for table in _TABLES:
        for name, synonyms in content[table].items():
            for word in (name, *synonyms):
                add(word, table, name)
    for table, kind in _LISTS.items():
        for word in content[table]:
            add(word, kind, word)
    for table, kind in _WORDS.items():
        for word in content[table]["words"]:
            add(word, kind, word)
    for word, kind in _GRAMMAR.items():
        add(word, kind or word, word)
    for word in content["asked"]:
        add(word, "verb", word)
    for word, verb in _SAME_VERB.items():
        add(word, "verb", verb)
    numbers, classifiers = "".join(content["numbers"]), "".join(content["classifiers"])
    return Words(
        tokens={word: Token(word, found) for word, found in kinds.items()},
        longest=max(map(len, kinds)),
        count=re.compile(f"([{numbers}二俩])([{classifiers}])"),
        tables=content,
        seats=frozenset(content["seats"]["words"]),
        broader=narrower_to_broader(content["broader"]),
    )


def tokens_of(caption: str, words: Words) -> list[Token]:
    """The words of a caption, each the longest that is known at its place."""
    text = _PUNCTUATION.sub("", caption)
    tokens = []
    place = 0
    while place < len(text):
        token = _longest_at(text, place, words)
        tokens.append(token)
        place += len(token.text)
    return tokens


def _longest_at(text: str, place: int, words: Words) -> Token:
    for length in range(words.longest, 1, -1):
        token = words.tokens.get(text[place : place + length])
        if token is not None and len(token.text) == length:
            return token
    if count := words.count.match(text, place):
        number = {"二": "两", "俩": "两"}.get(count[1], count[1])
        return Token(count[0], {"count": number, "classifier": count[2]})
    return words.tokens.get(text[place], Token(text[place]))


def kinds_at(tokens: Sequence[Token], place: int) -> Mapping[str, str]:
    """The tables of the word at a place; empty after the last."""
    return tokens[place].kinds if 0 <= place < len(tokens) else {}

"""The word lists that ship with the package."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Set
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["narrower_to_broader", "word_list"]


@cache
def word_list(name: str) -> dict[str, Any]:
    """The content of a word list, such as ``english``."""
    return tomllib.loads(files("revln.text.questions").joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def narrower_to_broader(table: Mapping[str, list[str]]) -> dict[str, Set[str]]:
    """The broader words of each word, from a table that has the narrower ones of each."""
    found: dict[str, set[str]] = {}
    for broad, narrow in table.items():
        for word in narrow:
            found.setdefault(word, set()).add(broad)
    return {word: frozenset(words) for word, words in found.items()}

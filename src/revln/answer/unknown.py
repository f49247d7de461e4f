"""What is said in the place of an answer that is not known."""

from __future__ import annotations

__all__ = ["dont_know"]

_DONT_KNOW = {"en": "I don't know", "zh": "我不知道"}


def dont_know(language: str | None) -> str:
    """The words in a language, in English where there are none."""
    return _DONT_KNOW.get(language or "en", _DONT_KNOW["en"])

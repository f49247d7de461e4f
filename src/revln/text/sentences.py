"""Captions as the language model reads and writes them: without the full stop, which is put back in what is shown."""

from __future__ import annotations

__all__ = ["as_sentence", "without_stop"]

_STOPS = {"zh": "。", "ja": "。"}


def without_stop(text: str) -> str:
    """A text with single spaces and no full stop at its end."""
    return " ".join(text.split()).rstrip(".。").rstrip()


def as_sentence(text: str, language: str) -> str:
    """A text that begins with a capital and ends with a full stop if with no other mark, in scripts that have them."""
    text = without_stop(text)
    if not text:
        return text
    return text[0].upper() + text[1:] + ("" if text[-1] in "?!？！" else _STOPS.get(language, "."))

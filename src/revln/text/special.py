"""The special tokens of the language model, the first ones of its vocabulary."""

from __future__ import annotations

__all__ = ["ANSWER", "ASK", "BYTES", "END", "PAD", "SPECIAL", "UNKNOWN", "beginning"]

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
ASK, ANSWER = "<ask>", "<answer>"  # a question begins with the one, its answer with the other
_BEGINNINGS = ("<en>", "<zh>", ASK, ANSWER, "<text>", "<5>", "<6>", "<7>")  # the last ones are kept free
SPECIAL = (PAD, END, UNKNOWN, *_BEGINNINGS)
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def beginning(language: str) -> str:
    """The token that a sentence in a language begins with."""
    return f"<{language}>"

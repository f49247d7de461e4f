"""Text as the full text index sees it, and file names as Arrow can hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["cjk_runs", "clean", "decode_uri", "encode_uri", "name_words", "query_words", "segmented", "sql_string"]

_WORDS = re.compile(r"[^\W\d_]+|\d+")
# Chinese, Japanese kana and Hangul syllables: scripts that the index's tokenizer, which splits at spaces, cannot split.
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+")
# A byte of a file name that is no UTF-8 reaches Python as a lone surrogate, which Arrow refuses.
_SURROGATE = re.compile("[\udc80-\udcff]")
_ESCAPED = re.compile("\x00([0-9a-f]{2})")


def segmented(parts: Iterable[str]) -> str:
    """Joins texts for the full text index.

    Of each run of Chinese, Japanese or Korean every character and every pair of neighbours is a word: most Chinese
    words have one character or two, and pairs find longer ones too (Manning, Raghavan and Schuetze, 2008, 2.2.1).
    """
    return _CJK.sub(lambda run: _spaced([*run.group(), *_pairs(run.group())]), clean(" ".join(filter(None, parts))))


def query_words(query: str) -> str:
    """A query for the full text index: of each run of Chinese its pairs, or its only character."""
    return _CJK.sub(lambda run: _spaced(_pairs(run.group()) or run.group()), clean(query))


def cjk_runs(query: str) -> list[str]:
    """The runs of at least two Chinese, Japanese or Korean characters in a query."""
    return [run for run in _CJK.findall(query) if len(run) > 1]


def name_words(uri: str) -> str:
    """Words of a file's name, without its extension: ``"/a/IMG_2041-beach.jpg"`` gives ``"IMG 2041 beach"``."""
    name = re.split(r"[/\\]", uri)[-1]
    stem = name.rsplit(".", 1)[0] or name
    return " ".join(_WORDS.findall(stem))


def clean(text: str) -> str:
    """Text with lone surrogates replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def encode_uri(uri: str) -> str:
    """Path with the bytes that are no UTF-8 written as NUL and two hex digits; no path holds a NUL itself."""
    return _SURROGATE.sub(lambda found: f"\x00{ord(found.group()) - 0xDC00:02x}", uri)


def decode_uri(stored: str) -> str:
    """Inverse of ``encode_uri``."""
    return _ESCAPED.sub(lambda found: chr(0xDC00 + int(found.group(1), 16)), stored)


def sql_string(value: str) -> str:
    """A value as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(len(run) - 1)]


def _spaced(words: Iterable[str]) -> str:
    return f" {' '.join(words)} "

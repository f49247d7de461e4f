"""Words and definitions out of WordNet's database files, as texts to learn from (wndb(5WN))."""

from __future__ import annotations

import re
from pathlib import Path

from revln.errors import InputError

__all__ = ["read_dictionary"]

_FILES = ("data.noun", "data.verb", "data.adj")
_LONGEST = 90  # characters; longer definitions cost more than they teach
_WORDS = 3
_MARKER = re.compile(r"\([a-z]+\)")  # of an adjective's position
_EXAMPLE = re.compile(r'"([^"]+)"')


def read_dictionary(directory: Path) -> list[str]:
    """Words, definitions and example sentences, each once.

    Args:
        directory: with ``data.noun``, ``data.verb`` and ``data.adj``, such as ``/usr/share/wordnet``.

    Raises:
        InputError: it has no such files.
    """
    texts: dict[str, None] = {}
    for name in _FILES:
        try:
            lines = (directory / name).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise InputError(f"{directory / name}: cannot be read: give the folder of WordNet") from error
        for line in lines:
            if not line.startswith("  "):  # the licence
                texts |= dict.fromkeys(_texts(line))
    return list(texts)


def _texts(line: str) -> list[str]:
    head, _, gloss = line.partition("|")
    fields = head.split()
    count = int(fields[3], 16)
    words = [_MARKER.sub("", word).replace("_", " ").lower() for word in fields[4 : 4 + 2 * count : 2]]
    sentences = [gloss.split('; "')[0].strip(), *_EXAMPLE.findall(gloss)]
    return [word for word in words if len(word) > 2 and len(word.split()) <= _WORDS] + [
        sentence for sentence in sentences if len(sentence) < _LONGEST
    ]

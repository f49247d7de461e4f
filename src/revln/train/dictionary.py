"""Words and definitions out of dictionaries, as texts to learn from: WordNet's (wndb(5WN)), and CC-CEDICT."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from revln.errors import InputError

__all__ = ["read_chinese_dictionary", "read_dictionary"]

_FILES = ("data.noun", "data.verb", "data.adj")
_LONGEST = 90  # characters; longer definitions cost more than they teach
_WORDS = 3
_MARKER = re.compile(r"\([a-z]+\)")  # of an adjective's position
_EXAMPLE = re.compile(r'"([^"]+)"')
_ENTRY = re.compile(r"\S+ (\S+) \[[^]]*\] /(.*)/")  # traditional, simplified, pronunciation, meanings
_MEANINGS = 3
_LONGEST_WORD = 6  # characters; what is longer is a proverb or a name
_NOTE = re.compile(r"\([^)]*\)")
# Meanings that lead to another entry, or say what a character is used for; and names of persons and places.
_NO_MEANING = re.compile(
    r"CL:|variant of|see |used in|abbr\. |surname |[A-Z].*(county|district|city|town)|.*[\u4e00-\u9fff]"
)


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


def read_chinese_dictionary(file: Path) -> list[tuple[str, str]]:
    """English meanings and the Chinese word, in simplified characters, that has them; each word once.

    Args:
        file: CC-CEDICT's text (https://cc-cedict.org), as it is or compressed by gzip.

    Raises:
        InputError: it has no such entries.
    """
    try:
        content = file.read_bytes()
        text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error}): give the text of CC-CEDICT") from error
    found: dict[str, str] = {}
    for word, meanings in (entry.groups() for line in text.splitlines() if (entry := _ENTRY.fullmatch(line.strip()))):
        if meaning := _meaning(meanings):
            found.setdefault(word, meaning)
    if not found:
        raise InputError(f"{file}: has no entry of the form of CC-CEDICT: give its text")
    return [(meaning, word) for word, meaning in found.items() if len(word) <= _LONGEST_WORD and not word.isascii()]


def _meaning(meanings: str) -> str:
    kept = (_NOTE.sub("", meaning).strip() for meaning in meanings.split("/") if not _NO_MEANING.match(meaning))
    return "; ".join([meaning for meaning in kept if meaning][:_MEANINGS])[:_LONGEST]

"""WordNet's nouns: what a class is, and what it is a kind of.

Miller, 1995 (doi 10.1145/219717.219748); the format of the database is that of its manual page wndb(5WN).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple

from revln.errors import InputError
from revln.images import os_reason
from revln.sources.files import absolute, printable
from revln.types import Candidate, Skipped

__all__ = ["WordNetSource", "is_wordnet"]

_DATA, _INDEX = "data.noun", "index.noun"
_HYPERNYMS = ("@", "@i")
_DEPTH = 3
_RELATION = "is a kind of"
_BETWEEN_NAMES = re.compile(r"\s*[,/]\s*")
# Lexicographer files (lexnames(5WN)) of what photos show: animals, things, bodies, food, nature, plants, substances.
_VISIBLE = frozenset({5, 6, 8, 13, 15, 17, 20, 27})


class WordNetSource:
    """Nouns as ``label`` records (names and definition), and their kinds as ``triple`` records.

    A name becomes the sense whose words are most nearly the given ones, of several such one that a photo can show, and
    else the most frequent. Of 495 ImageNet classes whose sense is known, this finds 468.

    Args:
        directory: with ``data.noun`` and ``index.noun``, such as ``/usr/share/wordnet``.
        names: classes, each by its name, which may list synonyms divided by commas or slashes, or by a sequence of
            synonyms; the name, or the first synonym, becomes the records' label. ``None`` for all nouns.
        name: what the records call their source.

    Raises:
        InputError: the directory holds no WordNet.
    """

    def __init__(
        self, directory: Path | str, names: Iterable[str | Sequence[str]] | None = None, *, name: str = "wordnet"
    ) -> None:
        self._directory = absolute(Path(directory))
        if not is_wordnet(self._directory):
            raise InputError(f"{printable(self._directory)}: has no {_DATA} and {_INDEX}: give the folder of WordNet")
        self._names = None if names is None else list(names)
        if self._names == []:
            raise InputError(f"{printable(self._directory)}: the model has no classes to look up: ask for all nouns")
        self._name = name

    def scan(self) -> Iterator[Candidate | Skipped]:
        """Yields a label and up to three triples a synset, and the names that WordNet does not have."""
        try:
            with (self._directory / _DATA).open("rb") as data:
                seen: set[int] = set()
                for label, synset in self._synsets(data):
                    if isinstance(synset, Skipped):
                        yield synset
                    elif synset.offset not in seen:
                        seen.add(synset.offset)
                        yield from self._records(label, synset, data)
        except OSError as error:
            yield Skipped(printable(self._directory / _DATA), os_reason(error))
        except _DamagedError as error:
            yield Skipped(printable(self._directory / _DATA), str(error))

    def _synsets(self, data: IO[bytes]) -> Iterator[tuple[str, _Synset | Skipped]]:
        """The label and the synset of each noun asked for."""
        if self._names is None:
            for offset in _offsets(self._directory / _DATA):
                synset = _Synset.at(data, offset)
                yield synset.lemmas[0], synset
            return
        for name in self._names:
            label = name if isinstance(name, str) else name[0]
            synonyms = _synonyms(name)
            own = frozenset(synonym.casefold() for synonym in synonyms)
            senses = [_Synset.at(data, offset) for synonym in synonyms for offset in self._senses(synonym)]
            best = max(senses, key=lambda sense, own=own: sense.likeness(own), default=None)  # type: ignore[misc]
            yield label, best or Skipped(f"wordnet:{label}", "WordNet has no such noun")

    def _senses(self, word: str) -> Sequence[int]:
        """Offsets of the synsets of a word, the most frequent first."""
        return next((self._index[spelt] for spelt in _spellings(word) if spelt in self._index), ())

    @cached_property
    def _index(self) -> dict[str, tuple[int, ...]]:
        """Offsets by lemma, of the words asked for only."""
        words = (word for name in self._names or () for word in _synonyms(name))
        return dict(_index_entries(self._directory / _INDEX, {spelt for word in words for spelt in _spellings(word)}))

    def _records(self, label: str, synset: _Synset, data: IO[bytes]) -> Iterator[Candidate]:
        uri, path = f"wordnet:{synset.id}", self._directory / _DATA
        facts = {"synset": synset.id, "lemmas": list(synset.lemmas)}
        yield Candidate(self._name, "label", uri, path, 0, 0, (", ".join(synset.lemmas), synset.gloss), label, 0, facts)
        above = synset
        for depth in range(1, _DEPTH + 1):
            if above.hypernym is None:
                return
            above = _Synset.at(data, above.hypernym)
            triple = {"subject": label, "relation": _RELATION, "object": above.lemmas[0]}
            texts = (" ".join(triple.values()),)
            yield Candidate(self._name, "triple", uri, path, 0, 0, texts, label, depth, triple)


def is_wordnet(directory: Path) -> bool:
    """Whether a folder holds WordNet's nouns."""
    return (directory / _DATA).is_file() and (directory / _INDEX).is_file()


class _DamagedError(ValueError):
    """A line that is not as wndb(5WN) says."""


class _Synset(NamedTuple):
    """A set of synonyms: one sense, with the words for it."""

    offset: int
    file: int
    lemmas: tuple[str, ...]
    hypernym: int | None
    gloss: str

    @property
    def id(self) -> str:
        """As ImageNet writes it: ``n01440764``."""
        return f"n{self.offset:08d}"

    @classmethod
    def at(cls, data: IO[bytes], offset: int) -> _Synset:
        """Reads the synset whose line starts at an offset in bytes.

        Raises:
            _DamagedError: there is none.
        """
        data.seek(offset)
        try:
            facts, _, gloss = data.readline().decode("utf-8").partition(" | ")
            fields = facts.split()
            words = int(fields[3], 16)  # hexadecimal, as lex_id is, and nothing else
            pointers = fields[5 + 2 * words :]
            up = (pointers[place + 1] for place in range(0, len(pointers) - 3, 4) if pointers[place] in _HYPERNYMS)
            hypernym = next((int(offset) for offset in up), None)
            lemmas = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * words : 2])
            if int(fields[0]) != offset or not lemmas:
                raise ValueError
            return cls(offset, int(fields[1]), lemmas, hypernym, gloss.partition('; "')[0].strip())
        except (ValueError, IndexError) as error:
            raise _DamagedError(f"damaged at byte {offset:,}") from error

    def likeness(self, names: frozenset[str]) -> tuple[int, float, bool]:
        """How well it fits a class: words shared, their part in all words, whether a photo can show it."""
        own = {lemma.casefold() for lemma in self.lemmas}
        shared = len(own & names)
        return shared, shared / len(own | names), self.file in _VISIBLE


def _synonyms(name: str | Sequence[str]) -> list[str]:
    given = [name] if isinstance(name, str) else name
    return [word for each in given for word in _BETWEEN_NAMES.split(each.replace("_", " ").strip()) if word]


def _spellings(word: str) -> tuple[str, ...]:
    """Lemmas that the index may have for a word, the likeliest first."""
    key = word.casefold().replace(" ", "_")
    return key, key.replace("_", "-"), key.replace("-", "_"), key.replace("'s", "")


def _offsets(data: Path) -> Iterator[int]:
    """Where each synset starts."""
    with data.open("rb") as lines:
        offset = 0
        for line in lines:
            if not line.startswith(b"  "):  # the licence
                yield offset
            offset += len(line)


def _index_entries(index: Path, wanted: set[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    with index.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            lemma, _, rest = line.partition(" ")
            if lemma in wanted:
                fields = rest.split()
                try:
                    yield lemma, tuple(map(int, fields[-int(fields[1]) :]))
                except (ValueError, IndexError) as error:
                    raise _DamagedError(f"{_INDEX} is damaged at {lemma}") from error

"""What a memory's photos can be filtered by, and what somebody who types may mean."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, NamedTuple

from revln.pipeline import Memory
from revln.store import Snapshot
from revln.text import without_stop

__all__ = ["Catalog", "CatalogReader", "Suggestion"]

_PHOTOS = "kind IN ('image', 'image_text')"
_FOLDERS, _LABELS = 200, 500  # listed
_TEXTS_READ = 20_000  # records whose texts are counted, the newest
_WORDS = 20_000  # remembered
_AFTER_LATIN = 0x250  # the first character that is of no Latin letter
_LONGEST = 60  # characters of a text that is suggested as it is
_WORD = re.compile(r"[^\W\d_]{3,}")
_FUNCTION_WORDS = frozenset({
    "and", "are", "for", "from", "has", "have", "her", "his", "into", "its", "near", "not", "off", "one", "onto", "out",
    "over", "she", "some", "that", "the", "their", "them", "there", "they", "this", "two", "under", "was", "were",
    "while", "who", "with",
})  # fmt: skip


class Suggestion(NamedTuple):
    """Something to search for.

    Attributes:
        text: the words.
        kind: where they are from.
        photos: how many have them.
    """

    text: str
    kind: Literal["label", "word", "text"]
    photos: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one version of a memory has.

    Attributes:
        version: of the table.
        photos: number of photos.
        labels: photos of each label, the most frequent first.
        sources: photos of each source.
        folders: photos below each folder, by path; those that hold all of the photos are left out.
        suggestions: the most frequent first, labels before all others.
    """

    version: int
    photos: int
    labels: Mapping[str, int]
    sources: Mapping[str, int]
    folders: Mapping[str, int]
    suggestions: tuple[Suggestion, ...]

    def suggest(self, prefix: str, k: int) -> list[Suggestion]:
        """What begins with what was typed, or has a word that does; in Chinese, what holds it."""
        typed = " ".join(prefix.split()).casefold()
        if not typed:
            return []
        inside = not _is_latin(typed)  # Chinese has no spaces between words
        return [found for found in self.suggestions if _fits(found.text.casefold(), typed, inside)][:k]


class CatalogReader:
    """The catalog of a memory, read again when the memory has changed; safe in threads.

    Args:
        memory: what it is of.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._reading = threading.Lock()
        self._catalog: Catalog | None = None

    def read(self) -> Catalog:
        """The catalog of the memory as it is now."""
        snapshot = self._memory.table.refresh()
        with self._reading:
            if self._catalog is None or self._catalog.version != snapshot.version:
                self._catalog = _read(snapshot)
            return self._catalog


def _read(snapshot: Snapshot) -> Catalog:
    labels = snapshot.counts("label", f"label IS NOT NULL AND {_PHOTOS}")
    photos = snapshot.count(_PHOTOS)
    folders = _folders(uri for _, uri in snapshot.uris(_PHOTOS))
    # A folder that holds everything is no choice, nor is a name with bytes that are no UTF-8 one that JSON can ask for.
    kept = [(name, count) for name, count in folders.most_common() if count < photos and name.isprintable()]
    texts = snapshot.column("texts", snapshot.newest(_TEXTS_READ, where=_PHOTOS))
    return Catalog(
        snapshot.version,
        photos,
        dict(list(labels.items())[:_LABELS]),
        snapshot.counts("source", _PHOTOS),
        dict(sorted(kept[:_FOLDERS])),
        (*(Suggestion(label, "label", count) for label, count in labels.items()), *_said(texts.values())),
    )


def _folders(uris: Iterable[str]) -> Counter[str]:
    """Number of files below each folder."""
    direct = Counter(os.path.dirname(uri) for uri in uris)  # noqa: PTH120 - a path object for each is slow
    below: Counter[str] = Counter()
    for folder, count in direct.items():
        for name in (folder, *map(str, PurePath(folder).parents)):
            if PurePath(name).is_absolute():
                below[name] += count
    return below


def _said(all_texts: Iterable[list[str]]) -> list[Suggestion]:
    """Words, and short texts as a whole, by the number of photos that have them."""
    words: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for texts in all_texts:
        kept = {without_stop(text) for text in texts or ()}
        words.update({word for text in kept for word in _WORD.findall(text.lower()) if _is_latin(word)})
        whole.update(text for text in kept if 0 < len(text) <= _LONGEST)
    counted = [Suggestion(word, "word", n) for word, n in words.most_common(_WORDS) if word not in _FUNCTION_WORDS]
    return counted + [Suggestion(text, "text", count) for text, count in whole.most_common(_WORDS)]


def _is_latin(word: str) -> bool:
    return ord(word[0]) < _AFTER_LATIN


def _fits(text: str, typed: str, inside: bool) -> bool:
    return text.startswith(typed) or f" {typed}" in text or (inside and typed in text)

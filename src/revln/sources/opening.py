"""Any path that can be indexed, opened by the source that understands it."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import chain
from pathlib import Path

from revln.errors import InputError
from revln.images import IMAGE_SUFFIXES, os_reason
from revln.images.formats import find_format
from revln.protocols import Source
from revln.sources.captioned import CaptionedSource
from revln.sources.captions import is_caption_table
from revln.sources.files import absolute, printable
from revln.sources.folder import FolderSource
from revln.sources.notes import NOTE_SUFFIXES, NoteSource
from revln.sources.questions import QuestionSource, is_questions
from revln.sources.tables import TABLE_SUFFIXES, TableSource
from revln.sources.webdataset import WebDatasetSource
from revln.sources.wordnet import WordNetSource, is_wordnet
from revln.types import Candidate, Skipped

__all__ = ["ChainedSource", "PathKind", "kind_of", "open_sources"]

_UNDERSTOOD = (
    "give folders, photos, tables (.jsonl, .ndjson, .parquet, .json), captions (.csv, .json), questions (.json), "
    "WebDataset shards (.tar), notes (.md, .markdown, .txt) or a WordNet folder"
)


class PathKind(Enum):
    """What a path is to be indexed as."""

    PHOTOS = auto()
    CAPTIONS = auto()
    QUESTIONS = auto()
    TABLE = auto()
    SHARD = auto()
    NOTES = auto()
    WORDNET = auto()


_BY_SUFFIX = {
    ".csv": PathKind.CAPTIONS,
    ".tar": PathKind.SHARD,
    **dict.fromkeys(TABLE_SUFFIXES, PathKind.TABLE),
    **dict.fromkeys(IMAGE_SUFFIXES, PathKind.PHOTOS),
}


class ChainedSource:
    """Several sources, one after the other."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = tuple(sources)

    def scan(self) -> Iterator[Candidate | Skipped | None]:
        """Yields what each of them does."""
        return chain.from_iterable(source.scan() for source in self.sources)


def open_sources(
    paths: Sequence[Path | str],
    *,
    name: str = "files",
    exclude: Sequence[str] = (),
    labels_from_folders: bool = False,
    captions: Mapping[str, Sequence[str]] | None = None,
    notes: bool = False,
    words: Iterable[str | Sequence[str]] | None = None,
) -> ChainedSource:
    """The sources for some paths, each path told by what it is.

    Args:
        paths: folders and files.
        name: what the records call their source.
        exclude: patterns for what is in folders, see ``Exclusion``.
        labels_from_folders: for the photos in folders, see ``FolderSource``.
        captions: likewise.
        notes: takes the text files in folders too.
        words: classes to look up in WordNet, ``None`` for all nouns.

    Raises:
        InputError: a path does not exist, is of no kind that is understood, or cannot be read.
    """
    by_kind: dict[PathKind, list[Path]] = {kind: [] for kind in PathKind}
    for path in dict.fromkeys(absolute(Path(path)) for path in paths):
        by_kind[kind_of(path)].append(path)
    sources: list[Source] = []
    # Folders first: what a file says of a photo is then laid upon what its folder knows.
    if roots := by_kind[PathKind.PHOTOS]:
        sources.append(
            FolderSource(
                roots,
                name=name,
                exclude=exclude,
                labels_from_folders=labels_from_folders,
                captions=captions,
                notes=notes,
            )
        )
    sources += [CaptionedSource(path, name=name) for path in by_kind[PathKind.CAPTIONS]]
    sources += [WebDatasetSource(path, name=name) for path in by_kind[PathKind.SHARD]]
    sources += [TableSource(path, name=name) for path in by_kind[PathKind.TABLE]]
    if questions := by_kind[PathKind.QUESTIONS]:
        sources.append(QuestionSource(questions, name=name))
    sources += [NoteSource(path, name=name) for path in by_kind[PathKind.NOTES]]
    classes = None if words is None else list(words)
    sources += [WordNetSource(path, classes, name=name) for path in by_kind[PathKind.WORDNET]]
    return ChainedSource(sources)


def kind_of(path: Path) -> PathKind:
    """What a path is, by its name and by what is in it.

    Raises:
        InputError: it does not exist, is of no kind that is understood, or cannot be read.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{printable(path)}: no such file or folder: check the path") from error
    except OSError as error:
        raise InputError(f"{printable(path)}: {os_reason(error)}: check the path") from error
    if path.is_dir():
        return PathKind.WORDNET if is_wordnet(path) else PathKind.PHOTOS
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX or not path.is_file():
        return _BY_SUFFIX.get(suffix, PathKind.PHOTOS)
    kind = _kind_by_content(path, suffix)
    if kind is None:
        raise InputError(f"{printable(path)}: is of no kind that can be indexed: {_UNDERSTOOD}")
    return kind


def _kind_by_content(path: Path, suffix: str) -> PathKind | None:
    try:
        if suffix in NOTE_SUFFIXES:
            return PathKind.CAPTIONS if is_caption_table(path) else PathKind.NOTES
        if suffix == ".json":
            return _kind_of_json(path)
        with path.open("rb") as file:
            return PathKind.PHOTOS if find_format(file.read(64)) else None
    except OSError as error:
        raise InputError(f"{printable(path)}: {os_reason(error)}: check the path") from error


def _kind_of_json(path: Path) -> PathKind:
    with path.open("rb") as file:
        if file.read(64).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            return PathKind.TABLE
    return PathKind.QUESTIONS if is_questions(path) else PathKind.CAPTIONS

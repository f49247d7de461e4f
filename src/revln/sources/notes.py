"""Notes in Markdown and plain text: one piece of knowledge a paragraph, under its heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from revln.errors import CaptionFileError
from revln.sources._text import read_text
from revln.sources.files import absolute, printable, stat_file
from revln.types import Candidate, Skipped

__all__ = ["NOTE_SUFFIXES", "NoteSource"]

NOTE_SUFFIXES = frozenset({".md", ".markdown", ".txt"})

_WORDS = 200
_CHARACTERS_A_WORD = 8  # what a word counts at most, so that scripts without spaces are divided too
_BYTE_LIMIT = 2**26
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_HEADING = re.compile(r"#{1,6}\s(.*)")
_UNDERLINE = re.compile(r"=+|-+")
_FENCE = re.compile(r"\s*(```|~~~)")
_FRONT_MATTER = re.compile(r"---\n.*?\n(---|\.\.\.)\s*(\n|$)", re.DOTALL)


class NoteSource:
    """The paragraphs of a text file as ``text`` records, each with the heading it stands under in front.

    Long paragraphs are divided at the ends of sentences, about 200 words a piece. Of Markdown, headings and fenced
    code are understood, and the front matter is left out.

    Args:
        path: a file in UTF-8, or in UTF-16 that says so by its byte order mark.
        name: what the records call their source.
    """

    def __init__(self, path: Path | str, *, name: str = "files") -> None:
        self._path = absolute(Path(path))
        self._name = name

    def scan(self) -> Iterator[Candidate | Skipped]:
        """Yields a candidate for each piece, or the file with the reason why it cannot be read."""
        uri = printable(self._path)
        status = stat_file(self._path)
        if isinstance(status, Skipped):
            yield status
            return
        if status.st_size > _BYTE_LIMIT:
            yield Skipped(uri, f"{status.st_size:,} bytes are over the limit of {_BYTE_LIMIT:,}")
            return
        try:
            text = read_text(self._path)
        except CaptionFileError as error:
            yield Skipped(uri, str(error).removeprefix(f"{self._path}: ").partition(": ")[0])
            return
        markdown = self._path.suffix.lower() != ".txt"
        for number, piece in enumerate(_pieces(text.replace("\r\n", "\n"), markdown), start=1):
            # Size and time of the file are left out: a paragraph that stays need not be encoded again.
            yield Candidate(self._name, "text", uri, self._path, 0, 0, texts=(piece,), number=number)


def _pieces(text: str, markdown: bool) -> Iterator[str]:
    heading = ""
    for is_heading, block in _markdown_blocks(text) if markdown else _plain_blocks(text):
        content = " ".join(block.split())
        if is_heading:
            heading = content
        elif any(char.isalnum() for char in content):
            yield from (f"{heading}: {piece}" if heading else piece for piece in _divided(content))


def _plain_blocks(text: str) -> Iterator[tuple[bool, str]]:
    return ((False, block) for block in _BLANK_LINE.split(text))


def _markdown_blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Headings and paragraphs in their order: whether it is a heading, and its text."""
    front_matter = _FRONT_MATTER.match(text)
    lines: list[str] = []
    fence = ""
    for line in text[front_matter.end() if front_matter else 0 :].split("\n"):
        if mark := _FENCE.match(line):
            fence = mark[1] if not fence else "" if mark[1] == fence else fence
        elif fence:
            lines.append(line)
        elif heading := _HEADING.fullmatch(line):
            yield False, "\n".join(lines)
            yield True, heading[1].strip(" \t#")
            lines = []
        elif len(lines) == 1 and _UNDERLINE.fullmatch(line.strip()):
            yield True, lines.pop()
        elif line.strip():
            lines.append(line)
        else:
            yield False, "\n".join(lines)
            lines = []
    yield False, "\n".join(lines)


def _divided(paragraph: str) -> Iterator[str]:
    """The paragraph in pieces of bounded length, which end with a sentence where they can."""
    piece = ""
    for sentence in _SENTENCE_END.split(paragraph):
        for part in _bounded(sentence):
            joined = f"{piece} {part}".strip()
            if piece and _length(joined) > _WORDS:
                yield piece
                joined = part
            piece = joined
    if piece:
        yield piece


def _bounded(sentence: str) -> Iterator[str]:
    """A sentence that is too long by itself, cut between its words, or anywhere in a word without end."""
    width = _WORDS * _CHARACTERS_A_WORD
    piece: list[str] = []
    room = width
    for long in sentence.split():
        for word in (long[start : start + width] for start in range(0, len(long), width)):
            if piece and (len(piece) == _WORDS or len(word) >= room):
                yield " ".join(piece)
                piece, room = [], width
            piece.append(word)
            room -= len(word) + 1
    yield " ".join(piece)


def _length(text: str) -> int:
    """Words, with those of scripts that divide none estimated."""
    return max(len(text.split()), len(text) // _CHARACTERS_A_WORD)

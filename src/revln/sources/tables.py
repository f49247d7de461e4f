"""Tables: JSON lines, JSON lists of objects, and Parquet. A row is a record, its columns tell of which kind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from revln.images import os_reason
from revln.sources.files import absolute, printable, stat_file
from revln.sources.rows import COLUMNS, candidate_of
from revln.types import Candidate, Skipped

__all__ = ["TABLE_SUFFIXES", "TableSource"]

TABLE_SUFFIXES = frozenset({".jsonl", ".ndjson", ".parquet"})

_ROW_BYTES = 2**24
_BATCH = 1024
_Row = tuple[int, Mapping[str, Any] | str]


class TableSource:
    """The rows of a table as photos with captions, questions with answers, triples, labels and texts.

    A row is told by its columns: ``image`` (or ``file_name``, ``path``; relative to the table's folder) with
    ``caption``, ``captions``, ``text`` or ``texts`` and ``label``; ``question`` and ``answer``, maybe with ``image``;
    ``subject``, ``relation`` and ``object``; ``label`` with texts; texts alone. Rows are read as they are needed,
    whatever the size of the table; only a JSON list is read as a whole.

    Args:
        path: ``.jsonl``, ``.ndjson`` (one JSON object a line, UTF-8), ``.json`` (a list of objects) or ``.parquet``.
        name: what the records call their source.
    """

    def __init__(self, path: Path | str, *, name: str = "files") -> None:
        self._path = absolute(Path(path))
        self._name = name

    def scan(self) -> Iterator[Candidate | Skipped]:
        """Yields a candidate a row, and each unusable row with its number and the reason.

        Rows of one photo that follow each other are joined: their captions are all kept.
        """
        status = stat_file(self._path)
        if isinstance(status, Skipped):
            yield status
            return
        seen: set[int] = set()  # hashes of photos: a later row would otherwise replace what an earlier one said
        photo: Candidate | None = None
        for number, row in self._rows():
            found = row if isinstance(row, str) else self._candidate(row, number)
            if isinstance(found, Candidate) and found.kind == "image":
                if photo is not None and found.uri == photo.uri:
                    photo = _joined(photo, found)
                    continue
                key = hash(found.uri)
                if key in seen:
                    found = f"{found.uri} has rows further up already: put the rows of a photo one after the other"
                else:
                    seen.add(key)
                    photo, found = found, photo
            elif photo is not None:
                yield photo
                photo = None
            if found is not None:
                yield found if isinstance(found, Candidate) else self._skipped(number, found)
        if photo is not None:
            yield photo

    def _candidate(self, row: Mapping[str, Any], number: int) -> Candidate | str:
        return candidate_of(row, table=self._path, number=number, source=self._name)

    def _skipped(self, number: int, reason: str) -> Skipped:
        return Skipped(printable(self._path), f"row {number}: {reason}" if number else reason)

    def _rows(self) -> Iterator[_Row]:
        """Number and content of each row, or why it has none; number 0 for what concerns the whole table."""
        try:
            match self._path.suffix.lower():
                case ".parquet":
                    yield from _parquet_rows(self._path)
                case ".json":
                    yield from _list_rows(self._path)
                case _:
                    yield from _line_rows(self._path)
        except OSError as error:
            yield 0, os_reason(error)


def _line_rows(path: Path) -> Iterator[_Row]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_ROW_BYTES):
            number += 1
            if len(line) == _ROW_BYTES and not line.endswith(b"\n"):
                yield number, f"is longer than {_ROW_BYTES:,} bytes"
                while (rest := file.readline(_ROW_BYTES)) and not rest.endswith(b"\n"):
                    pass
            elif line.strip():
                yield number, _parsed(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _parsed(line: bytes) -> Mapping[str, Any] | str:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "is not UTF-8"
    except (ValueError, RecursionError):
        return "is no valid JSON"
    return row if isinstance(row, dict) else "is no JSON object"


def _list_rows(path: Path) -> Iterator[_Row]:
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        yield 0, f"is no valid JSON: {error}"
        return
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], start=1):
        yield number, row if isinstance(row, dict) else "is no JSON object"


def _parquet_rows(path: Path) -> Iterator[_Row]:
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path, pre_buffer=False) as table:
            columns = [name for name in table.schema_arrow.names if name in COLUMNS]
            if not columns:
                yield 0, f"has none of the columns {', '.join(COLUMNS)}"
                return
            # One thread, which reads nothing ahead: the order and the memory are those of a single batch.
            for batch in table.iter_batches(_BATCH, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        yield 0, f"is no sound Parquet after row {number}" if number else "is no sound Parquet"


def _joined(photo: Candidate, more: Candidate) -> Candidate:
    texts = (*(photo.texts or ()), *(more.texts or ()))
    return dataclasses.replace(photo, texts=tuple(dict.fromkeys(texts)) or None, label=photo.label or more.label)

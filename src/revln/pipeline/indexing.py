"""From folders to records: what is new is read, encoded and stored, batch by batch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from revln.errors import ImageError
from revln.images import load_photo
from revln.models import map_ordered
from revln.pipeline.memory import Memory
from revln.protocols import Source
from revln.sources import FolderSource, read_captions
from revln.store import Row
from revln.types import Candidate, Embedding, IndexReport, PhotoMeta, Skipped

__all__ = ["Progress", "index", "index_source"]

Progress = Callable[[int, int], None]

_BATCH = 256
_BATCH_SECONDS = 10.0  # what a kill can cost at most


def index(
    paths: Sequence[str | Path],
    *,
    memory: Memory,
    captions: str | Path | None = None,
    labels_from_folders: bool = False,
    source: str = "files",
    exclude: Sequence[str] = (),
    prune: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Brings a memory up to date with folders of photos. Unchanged files are not read; a killed run is resumed.

    Args:
        paths: folders or files.
        memory: where the records go.
        captions: caption file: CSV with the columns ``image,caption``, COCO captions JSON or Karpathy JSON.
        labels_from_folders: the name of a photo's folder is its label.
        source: name under which the records are kept, to filter by.
        exclude: globs of files and folders to leave out.
        prune: delete the records of this source whose file under ``paths`` is gone.
        progress: called with the files done and the files in all.

    Raises:
        InputError: a path does not exist, or the caption file cannot be used.
        MemoryStoreError: the memory cannot be written; what was reported as done is kept.
    """
    roots = [Path(path) for path in paths]
    folder = FolderSource(
        roots,
        name=source,
        exclude=exclude,
        labels_from_folders=labels_from_folders,
        captions=None if captions is None else read_captions(captions),
    )
    pruned = memory.missing(source, [root.absolute() for root in roots]) if prune else []
    report = index_source(folder, memory=memory, progress=progress)
    if not pruned:
        return report
    deleted = memory.delete(ids=pruned)
    return dataclasses.replace(report, pruned=deleted, records=len(memory))


def index_source(source: Source, *, memory: Memory, progress: Progress | None = None) -> IndexReport:
    """Brings a memory up to date with a source; see ``index``."""
    started = time.monotonic()
    run = _Run(memory, source, progress)
    for encoded in map_ordered(run.encode, run.changed()):
        run.take(encoded)
    run.finish()
    return IndexReport(
        added=run.added,
        updated=run.updated,
        unchanged=run.unchanged,
        skipped=tuple(run.skipped),
        ignored=run.ignored,
        pruned=0,
        records=memory.table.snapshot.count(),
        seconds=time.monotonic() - started,
    )


class _Encoded(NamedTuple):
    """A photo ready to be stored, without the pixels, of which too many would be in flight."""

    candidate: Candidate
    meta: PhotoMeta
    content_hash: str
    thumb: bytes
    vector: Embedding


class _Run:
    """The state of one run: counts, and the batch that is not stored yet."""

    def __init__(self, memory: Memory, source: Source, progress: Progress | None) -> None:
        self._memory, self._source = memory, source
        self._encoder = memory.model.encoder
        self._encoder.warm_up()
        self._known = memory.table.refresh().known()
        self._progress = progress or (lambda done, total: None)
        # Counted in a pass of its own, so that nothing about the files needs to be kept.
        self._total = sum(1 for _ in source.scan()) if progress else 0
        self._done = 0
        self._batch: list[_Encoded] = []
        self._flushed = time.monotonic()
        self.added = self.updated = self.unchanged = self.ignored = 0
        self.skipped: list[Skipped] = []

    def changed(self) -> Iterator[Candidate]:
        """The candidates that need reading."""
        for found in self._source.scan():
            if isinstance(found, Candidate):
                if self._known.get(found.id) != found.fingerprint:
                    yield found
                    continue
                self.unchanged += 1
            elif isinstance(found, Skipped):
                self.skipped.append(found)
            else:
                self.ignored += 1
            self._advance()

    def encode(self, candidate: Candidate) -> _Encoded | Skipped:
        """Reads and encodes a photo; runs in the worker threads."""
        try:
            photo = load_photo(candidate.path, self._encoder.transform)
        except ImageError as error:
            return Skipped(candidate.uri, error.reason)
        vector = self._encoder.encode_pixels(photo.pixels[None]).embeddings[0]
        return _Encoded(candidate, photo.meta, photo.content_hash, photo.thumb, vector)

    def take(self, encoded: _Encoded | Skipped) -> None:
        """Adds a photo to the batch, and stores the batch when it is due."""
        if isinstance(encoded, Skipped):
            self.skipped.append(encoded)
        else:
            self._batch.append(encoded)
        self._advance()
        if len(self._batch) >= _BATCH or time.monotonic() - self._flushed > _BATCH_SECONDS:
            self._flush()

    def finish(self) -> None:
        """Stores the rest, and leaves the memory tidy."""
        self._flush()
        if self.added or self.updated:
            self._memory.table.upkeep()

    def _flush(self) -> None:
        texts = [_texts(encoded) for encoded in self._batch]
        flat = [text for group in texts for text in group]
        vectors = self._memory.model.encode_texts(flat)
        parts = np.split(vectors, np.cumsum([len(group) for group in texts])[:-1]) if texts else []
        rows = [
            Row(
                photo.candidate,
                group,
                photo.meta,
                photo.content_hash,
                photo.thumb,
                photo.vector,
                part if group else None,
            )
            for photo, group, part in zip(self._batch, texts, parts, strict=True)
        ]
        counts = self._memory.table.upsert(rows)
        self.added += counts.added
        self.updated += counts.updated
        self._batch = []
        self._flushed = time.monotonic()

    def _advance(self) -> None:
        self._done += 1
        self._progress(self._done, max(self._total, self._done))


def _texts(encoded: _Encoded) -> tuple[str, ...]:
    """Captions from outside the file, then the file's own."""
    own = encoded.meta.caption
    return tuple(dict.fromkeys((*encoded.candidate.texts, *([own] if own else []))))

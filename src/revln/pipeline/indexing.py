"""From folders to records: what is new is read, encoded and stored, batch by batch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from revln.errors import ImageError
from revln.models import map_ordered
from revln.pipeline.memory import Memory
from revln.pipeline.photos import EncodedPhoto, encode_photo
from revln.protocols import Source
from revln.sources import FolderSource, read_captions
from revln.types import Candidate, IndexReport, Skipped

__all__ = ["Progress", "index", "index_source"]

Progress = Callable[[int, int], None]

_BATCH = 256
_BATCH_SECONDS = 10.0  # what a kill can cost at most


def index(
    paths: str | Path | Sequence[str | Path],
    *,
    memory: Memory,
    captions: str | Path | None = None,
    labels_from_folders: bool = False,
    source: str = "files",
    exclude: str | Sequence[str] = (),
    prune: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Brings a memory up to date with folders of photos. Unchanged files are not read; a killed run is resumed.

    Args:
        paths: folders or files; one or several.
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
    started = time.monotonic()
    # A string is a sequence of strings too, and "*.png" would leave out all that its letters match.
    roots = [_absolute(Path(path)) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    folder = FolderSource(
        roots,
        name=source,
        exclude=[exclude] if isinstance(exclude, str) else exclude,
        labels_from_folders=labels_from_folders,
        captions=None if captions is None else read_captions(captions),
    )
    report = index_source(folder, memory=memory, progress=progress)
    if not prune:
        return report
    pruned = memory.delete(ids=memory.missing(source, roots))
    return dataclasses.replace(report, pruned=pruned, records=len(memory), seconds=time.monotonic() - started)


def _absolute(path: Path) -> Path:
    """As ``FolderSource`` has it, so that its records lie under the same roots."""
    return path.resolve() if ".." in path.parts else path.absolute()


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
        self._batch: list[EncodedPhoto] = []
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

    def encode(self, candidate: Candidate) -> EncodedPhoto | Skipped:
        """Reads and encodes a photo; runs in the worker threads."""
        try:
            return encode_photo(candidate, self._encoder)
        except ImageError as error:
            return Skipped(candidate.uri, error.reason)
        except MemoryError:
            return Skipped(candidate.uri, "not enough memory")

    def take(self, encoded: EncodedPhoto | Skipped) -> None:
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
        vectors = self._memory.model.encode_texts([text for photo in self._batch for text in photo.texts])
        ends = np.cumsum([len(photo.texts) for photo in self._batch])
        rows = [photo.row(vectors[end - len(photo.texts) : end]) for photo, end in zip(self._batch, ends, strict=True)]
        counts = self._memory.table.upsert(rows)
        self.added += counts.added
        self.updated += counts.updated
        self._batch = []
        self._flushed = time.monotonic()

    def _advance(self) -> None:
        self._done += 1
        self._progress(self._done, max(self._total, self._done))

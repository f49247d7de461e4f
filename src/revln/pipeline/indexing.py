"""From sources to records: what is new is read, encoded and stored, batch by batch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from revln.errors import ImageError
from revln.models import map_ordered
from revln.pipeline.memory import Memory
from revln.pipeline.merging import complete
from revln.pipeline.photos import Encoded, encode_knowledge, encode_photo
from revln.pipeline.pruning import Census
from revln.pipeline.upkeep import BackgroundIndexing, keep_up
from revln.protocols import Source
from revln.sources import ConfinedSource, open_sources, read_captions
from revln.sources.files import absolute
from revln.types import Candidate, IndexReport, Skipped

__all__ = ["Progress", "index", "index_source"]

Progress = Callable[[int, int], None]

_BATCH = 256
_BATCH_SECONDS = 10.0  # what a kill can cost at most
_KNOWLEDGE_BATCH = 1024  # records without a picture, of which a core does several in the time of a photo
_PHOTO_KINDS = frozenset({"image", "image_text"})


def index(
    paths: str | Path | Sequence[str | Path],
    *,
    memory: Memory,
    captions: str | Path | None = None,
    labels_from_folders: bool = False,
    source: str = "files",
    exclude: str | Sequence[str] = (),
    notes: bool = False,
    all_nouns: bool = False,
    prune: bool = False,
    within: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> IndexReport:
    """Brings a memory up to date with photos and other knowledge. What is unchanged is not read; a killed run resumes.

    What a run does not speak of stays as it is: without ``captions`` the photos keep theirs, without
    ``labels_from_folders`` their labels.

    Args:
        paths: folders of photos, photos, tables, caption and question files, WebDataset shards, notes, and folders of
            WordNet, told apart by what they are (see ``open_sources``); one or several.
        memory: where the records go.
        captions: caption file: CSV with the columns ``image,caption``, COCO captions JSON or Karpathy JSON.
        labels_from_folders: the name of a photo's folder is its label.
        source: name under which the records are kept, to filter by.
        exclude: globs of files and folders to leave out.
        notes: take the text files (``.md``, ``.markdown``, ``.txt``) in folders too.
        all_nouns: of WordNet, take all nouns instead of the classes of the memory's model.
        prune: delete the records of this source whose file under ``paths`` is gone, and those that are gone from a
            table, a note, an archive or another file that holds several; see ``Census``.
        within: folders that every file has to lie below, with links resolved; anywhere when not given.
        progress: called with the records and files done, and those in all.

    Raises:
        InputError: a path does not exist or cannot be told, or a file with captions or questions cannot be used.
        MemoryStoreError: the memory cannot be written; what was reported as done is kept.
    """
    started = time.monotonic()
    # A string is a sequence of strings too, and "*.png" would leave out all that its letters match.
    roots = [absolute(Path(path)) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    sources: Source = open_sources(
        roots,
        name=source,
        exclude=[exclude] if isinstance(exclude, str) else exclude,
        labels_from_folders=labels_from_folders,
        captions=None if captions is None else read_captions(captions),
        notes=notes,
        words=None if all_nouns else memory.model.encoder.classes,
    )
    if within is not None:
        sources = ConfinedSource(sources, within)
    run = _Run(memory, sources, progress)
    report = run.report()
    memory.table.remember_skips(source, report.skipped)
    if not prune:
        return report
    gone = {*memory.missing(source, roots), *run.census.unmet(memory.table.snapshot, source, roots, report.skipped)}
    pruned = memory.delete(ids=sorted(gone))
    return dataclasses.replace(report, pruned=pruned, records=len(memory), seconds=time.monotonic() - started)


def index_source(source: Source, *, memory: Memory, progress: Progress | None = None) -> IndexReport:
    """Brings a memory up to date with a source, which may be of one's own making; see ``index``."""
    return _Run(memory, source, progress).report()


class _Run:
    """The state of one run: counts, and the batch that is not stored yet."""

    def __init__(self, memory: Memory, source: Source, progress: Progress | None) -> None:
        self._started = time.monotonic()
        self._table, self._source = memory.table, source
        self._known = memory.table.refresh().known()
        self.census = Census(self._known)
        self._model = memory.model
        self._model.encoder.warm_up()
        self._indexing = BackgroundIndexing(memory.table, self._model)
        self._progress = progress or (lambda done, total: None)
        # Counted in a pass of its own, so that nothing about the files needs to be kept.
        self._total = sum(1 for _ in source.scan()) if progress else 0
        self._done = 0
        self._batch: list[Encoded] = []
        self._photos = 0  # of them
        self._flushed = time.monotonic()
        self.added = self.updated = self.unchanged = self.ignored = 0
        self.skipped: list[Skipped] = []

    def report(self) -> IndexReport:
        """Does it all, and says what was done."""
        for encoded in map_ordered(self.encode, self.changed()):
            self.take(encoded)
        self.finish()
        return IndexReport(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            skipped=tuple(self.skipped),
            ignored=self.ignored,
            pruned=0,
            records=self._table.snapshot.count(),
            seconds=time.monotonic() - self._started,
        )

    def changed(self) -> Iterator[Candidate]:
        """The candidates that need reading."""
        for found in self._source.scan():
            if isinstance(found, Candidate):
                self.census.meet(found)
                if not found.is_unchanged(self._known.get(found.id)):
                    yield found
                    continue
                self.unchanged += 1
            elif isinstance(found, Skipped):
                self.skipped.append(found)
            else:
                self.ignored += 1
            self._advance()

    def encode(self, candidate: Candidate) -> Encoded | Skipped:
        """Reads and encodes a photo; runs in the worker threads."""
        if candidate.kind not in _PHOTO_KINDS:
            return encode_knowledge(candidate)
        try:
            return encode_photo(candidate, self._model.encoder)
        except ImageError as error:
            return Skipped(candidate.uri, error.reason)
        except MemoryError:
            return Skipped(candidate.uri, "not enough memory")

    def take(self, encoded: Encoded | Skipped) -> None:
        """Adds a record to the batch, and stores the batch when it is due."""
        if isinstance(encoded, Skipped):
            self.skipped.append(encoded)
        else:
            self._batch.append(encoded)
            self._photos += encoded.vector is not None
            if encoded.problem:
                self.skipped.append(encoded.problem)
        self._advance()
        full = self._photos >= _BATCH or len(self._batch) >= _KNOWLEDGE_BATCH
        if full or time.monotonic() - self._flushed > _BATCH_SECONDS:
            self._flush()

    def finish(self) -> None:
        """Stores the rest, and leaves the memory tidy."""
        self._flush()
        self._indexing.wait()
        if self.added or self.updated:
            keep_up(self._table, self._model)

    def _flush(self) -> None:
        batch = complete(self._batch, self._table.snapshot)
        vectors = self._model.encode_texts([text for encoded in batch for text in encoded.texts])
        ends = np.cumsum([len(encoded.texts) for encoded in batch])
        rows = [encoded.row(vectors[end - len(encoded.texts) : end]) for encoded, end in zip(batch, ends, strict=True)]
        counts = self._table.upsert(rows, encoder_id=self._model.id)
        self._indexing.nudge()
        self.added += counts.added
        self.updated += counts.updated
        self._batch, self._photos = [], 0
        self._flushed = time.monotonic()

    def _advance(self) -> None:
        self._done += 1
        self._progress(self._done, max(self._total, self._done))

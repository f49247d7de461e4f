"""Keeping a memory in order: deleting, following moved files, checking, another model, copies."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from revln.errors import ImageError, MemoryStoreError, QueryError, RecordNotFoundError
from revln.images import PIXEL_LIMIT, decode_image, decode_thumb, os_reason
from revln.images.decode import byte_limit
from revln.images.files import read_file
from revln.models import BundleEncoder, Model, find_bundle, load_model
from revln.pipeline.correcting import correct
from revln.pipeline.duplicates import DuplicateReport, find_duplicates
from revln.pipeline.migration import MigrationReport, migrate, previous_encoder, rollback
from revln.pipeline.transfer import ImportReport, export_records, import_records
from revln.pipeline.upkeep import keep_derived, keep_up
from revln.pipeline.verification import verify
from revln.retrieve import PHOTO_KINDS, compile_where
from revln.sources import read_archived
from revln.store import MemoryInfo, RecordTable
from revln.store.presence import is_gone
from revln.store.sizes import Storage, storage_of
from revln.store.verification import Check
from revln.store.words import sql_string
from revln.types import Record

__all__ = ["MaintainedMemory"]

Progress = Callable[[int, int], None]
_PRESENCES = 16  # files whose presence is remembered, since the rows of a table follow each other


class MaintainedMemory:
    """What can be done to the records of a memory as they are; ``Memory`` adds searching and teaching.

    Attributes:
        table: the records.
    """

    def __init__(self, table: RecordTable, model: Model | None = None) -> None:
        """Use ``Memory.open``."""
        self.table = table
        self._model = model
        self._opening = threading.Lock()

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.table.directory

    @property
    def model(self) -> Model:
        """The model that the vectors in use were made with.

        Raises:
            MemoryStoreError: it is no longer at hand.
        """
        return self._model_of(self.table.snapshot.manifest.encoder_id)

    def current_model(self) -> Model:
        """The model as the memory is now; another process may have migrated it since it was last looked at.

        Raises:
            MemoryStoreError: the memory is gone, or the model is no longer at hand.
        """
        self.table.refresh()
        return self.model

    def _model_of(self, encoder_id: str) -> Model:
        with self._opening:
            # Another process may have migrated the memory since.
            if self._model is None or self._model.id != encoder_id:
                bundle = find_bundle(encoder_id)
                if bundle is None:
                    raise MemoryStoreError(
                        f"{self.path}: was made with the model {encoder_id}, which is not at hand: give its directory "
                        "as the model, or index the photos into a new memory"
                    )
                self._model = Model(BundleEncoder(bundle))
            return self._model

    def record(self, record: str) -> Record:
        """The record with an id.

        Raises:
            RecordNotFoundError: there is none.
        """
        snapshot = self.table.refresh()
        found = snapshot.records(snapshot.row_ids(f"id = {sql_string(record)}"))
        if not found:
            raise RecordNotFoundError(record)
        return next(iter(found.values()))

    def photo_file(self, record: str) -> bytes:
        """The content of the file, or member of an archive, of a photo as it is now.

        Args:
            record: its id.

        Raises:
            RecordNotFoundError: there is no such record.
            ImageError: the file cannot be read, or the record is of no photo.
        """
        found = self.record(record)
        if found.kind not in PHOTO_KINDS:
            raise ImageError(found.uri, "no photo")
        try:
            archived = read_archived(found.uri)
        except OSError as error:
            raise ImageError(found.uri, os_reason(error)) from error
        return read_file(Path(found.uri), limit=byte_limit(PIXEL_LIMIT)) if archived is None else archived

    def picture(self, record: str, min_side: int | None = None) -> Image.Image:
        """A photo upright and in RGB: its file, or its thumb where that cannot be read any more.

        Args:
            record: its id.
            min_side: lets a JPEG be decoded at a reduced scale that keeps both sides at least this long.

        Raises:
            RecordNotFoundError: there is no such record.
            ImageError: there is no picture of it.
        """
        try:
            return decode_image(self.photo_file(record), name=record, min_side=min_side).image
        except ImageError:
            thumb = self.thumbs([record]).get(record)
            if thumb is None:
                raise
            return decode_thumb(thumb)

    def correct(self, record: str, *, texts: Sequence[str] | None = None, label: str | None = None) -> Record:
        """Corrects what is said of a record. Its file is not read, so it need not be there.

        Indexing again keeps what was corrected, unless a source says otherwise.

        Args:
            record: its id.
            texts: take the place of all that it has, captions found in its file too; ``None`` to leave them.
            label: takes the place of its class; an empty one takes that away, ``None`` leaves it.

        Raises:
            QueryError: a record without a picture would be left without texts.
            RecordNotFoundError: there is no such record.
            MemoryStoreError: the memory cannot be written.
        """
        self.table.refresh()
        return correct(self.table, self.model, record, texts, label)

    def delete(
        self,
        *,
        where: str | None = None,
        ids: Sequence[str] | None = None,
        missing_files: bool = False,
        purge: bool = False,
    ) -> int:
        """Deletes records, never files; returns how many.

        Args:
            where: those that pass an SQL filter.
            ids: those with these ids.
            missing_files: those whose file is gone; see ``missing``.
            purge: remove every trace of them, and of all that was deleted earlier, from the disk as well: from old
                versions, the full text index and what is derived. Readers of older versions fail afterwards.

        Raises:
            QueryError: none or several of the three are given, or the filter does not work.
            MemoryStoreError: the memory cannot be written.
        """
        if (where is not None) + (ids is not None) + missing_files != 1:
            raise QueryError("say which records: by a filter, by ids, or those whose files are missing")
        if where is not None:
            deleted = self.table.delete(compile_where(where))
        else:
            deleted = self.table.delete_ids(self.missing() if ids is None else ids)
        if purge:
            self.compact(purge=True)
        return deleted

    def missing(self, source: str | None = None, below: Sequence[Path] | None = None) -> list[str]:
        """Ids of the records whose file is gone: the photo, or the table, note or other file that they were in.

        A file that cannot be looked at, in a folder without permission or on a drive that does not answer, is not
        counted as gone, and a member of an archive only when the archive is. What has no file (WordNet, texts taught
        by hand) is never missing.

        Args:
            source: only of this source.
            below: only files under these folders, or these files.
        """
        where = None if source is None else f"source = {sql_string(source)}"
        gone = lru_cache(_PRESENCES)(is_gone)
        return [
            record
            for record, uri in self.table.refresh().uris(where)
            if (path := Path(uri)).is_absolute()
            and (below is None or any(path.is_relative_to(root) for root in below))
            and gone(uri)
        ]

    def relocate(self, old: str | Path, new: str | Path) -> int:
        """Follows photos that were moved as a folder; vectors and captions stay. Returns how many records moved."""
        return self.table.relocate(*(os.path.abspath(path) for path in (old, new)))  # noqa: PTH100

    def compact(self, *, purge: bool = False, drop_old: bool = False) -> None:
        """Merges small fragments, brings the full text index up to date and removes old versions.

        Args:
            purge: also remove every trace of deleted records, see ``delete``.
            drop_old: also remove the vectors of earlier models, after which there is no ``rollback``.

        Raises:
            MemoryStoreError: the memory cannot be written.
        """
        self.table.compact(purge=purge, drop_old=drop_old)
        keep_derived(self.table, self.model)

    def keep_up(self) -> None:
        """Brings indexes and calibration in step with the records, and tidies up; quick when little has changed.

        ``revln.index``, ``migrate`` and the like do so themselves; it is for those who add records one by one.

        Raises:
            MemoryStoreError: the memory cannot be written.
        """
        keep_up(self.table, self.model)

    def info(self) -> MemoryInfo:
        """What it holds."""
        return self.table.refresh().info()

    def storage(self) -> Storage:
        """Where its bytes are, and what is going on with it."""
        return storage_of(self.table.refresh())

    def label_counts(self) -> dict[str, int]:
        """Number of photos of each label."""
        snapshot = self.table.refresh()
        return snapshot.counts("label", "label IS NOT NULL AND kind IN ('image', 'image_text')")

    def thumbs(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Small WebP images by record id; records without one are left out."""
        snapshot = self.table.refresh()
        wanted = ", ".join(sql_string(record) for record in ids)
        row_ids = snapshot.row_ids(f"id IN ({wanted})") if ids else np.empty(0, np.uint64)
        names = snapshot.column("id", row_ids)
        return {names[row]: thumb for row, thumb in snapshot.thumbs(row_ids).items()}

    def verify(self, *, full: bool = False, repair: bool = False, progress: Progress | None = None) -> list[Check]:
        """Checks what a memory promises.

        Args:
            full: decode each thumb instead of some.
            repair: make what is derived anew, and remove left-overs; records are never touched.
            progress: called with the records done and the records in all.
        """
        return verify(self.path, full=full, repair=repair, progress=progress)

    def duplicates(
        self, *, near: bool = False, threshold: float | None = None, progress: Progress | None = None
    ) -> DuplicateReport:
        """Photos that the memory holds several times.

        Args:
            near: also those that were resized, recompressed, slightly cropped or brightened; and look-alikes, which
                are near but other photos.
            threshold: cosine of the image vectors from which two photos are compared.
            progress: called with the photos done and the photos in all.

        Raises:
            QueryError: the threshold is out of range.
        """
        return find_duplicates(self.table.refresh(), near=near, threshold=threshold, progress=progress)

    def migrate(self, model: str | Path | Model, *, progress: Progress | None = None) -> MigrationReport:
        """Embeds all records with another model beside the vectors in use, then switches to it in one step.

        Searching goes on meanwhile. A killed migration goes on where it stopped when it is asked for again, and
        records that come in meanwhile are caught up with. The vectors used so far are kept for ``rollback``, until
        ``compact(drop_old=True)`` or the next migration.

        Args:
            model: name or directory of a bundle, or a loaded one.
            progress: called with the records done and the records in all.

        Raises:
            BundleError: the model cannot be opened.
            MemoryStoreError: it is in use already, or the memory cannot be written.
        """
        wanted = model if isinstance(model, Model) else load_model(model)
        report = migrate(self.table, wanted, progress)
        with self._opening:
            self._model = wanted
        keep_derived(self.table, wanted)
        return report

    def rollback(self, *, progress: Progress | None = None) -> MigrationReport:
        """Returns to the vectors before the last migration; never loses a record.

        Records that came after it are embedded with the earlier model first.

        Raises:
            MemoryStoreError: there are no earlier vectors, the earlier model is not at hand, or the memory cannot be
                written.
        """
        earlier = self._model_of(previous_encoder(self.table).encoder_id)
        report = rollback(self.table, earlier, progress)
        keep_derived(self.table, earlier)
        return report

    def export(self, file: str | Path, *, vectors: bool = False, progress: Progress | None = None) -> int:
        """Writes all records with their thumbs into one Parquet file; returns how many.

        Args:
            file: where to; replaced when it exists.
            vectors: with the vectors in use, which spares embedding when they are imported with the same model.
            progress: called with the records done and the records in all.

        Raises:
            MemoryStoreError: the memory cannot be read, or the file cannot be written.
        """
        return export_records(self.table.refresh(), Path(file), vectors=vectors, progress=progress)

    def import_file(self, file: str | Path, *, progress: Progress | None = None) -> ImportReport:
        """Takes in records that ``export`` wrote, with their ids; of two with one id the one indexed later is kept.

        Vectors of the same model are taken as they are; else the records are embedded.

        Args:
            file: the Parquet file.
            progress: called with the records done and the records in all.

        Raises:
            InputError: the file is no export.
            MemoryStoreError: the memory cannot be written.
        """
        return import_records(self.table, self.model, Path(file), progress=progress)

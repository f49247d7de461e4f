"""A memory in use: records on disk, the model that encodes for them, and search over both."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from revln.config import default_memory
from revln.errors import ImageError, MemoryStoreError, QueryError
from revln.images import os_reason
from revln.models import BundleEncoder, ImageLike, Model, find_bundle, keep_bundle, load_model
from revln.pipeline.photos import encode_photo
from revln.retrieve import Mode, QueryVector, Searcher, compile_where, mix
from revln.store import MemoryInfo, RecordTable, Row, VectorIndex
from revln.store.manifest import MANIFEST_FILE
from revln.store.words import sql_string
from revln.text import foreign_script
from revln.types import Candidate, Embedding, Kind, Modality, Record, SearchResult, record_id

__all__ = ["Memory"]


class Memory:
    """Photos and other knowledge that can be searched; adding records is all the teaching there is.

    Searching sees what other processes have added meanwhile. Safe in threads.

    Attributes:
        table: the records.
    """

    def __init__(self, table: RecordTable, model: Model | None = None) -> None:
        """Use ``Memory.open``."""
        self.table = table
        self._model = model
        self._index: VectorIndex | None = None
        self._reading = threading.Lock()

    @classmethod
    def open(
        cls, path: str | Path | None = None, *, model: str | Path | Model | None = None, create: bool = True
    ) -> Memory:
        """Opens a memory, and makes it when it is missing.

        Args:
            path: its directory; ``REVLN_MEMORY`` or the user's default memory when not given.
            model: model of a new memory, ``base`` when not given. An existing memory keeps the model it was made with.
            create: False to have a missing memory reported instead.

        Raises:
            MemoryStoreError: it is missing, foreign or damaged, or was made with another model.
            BundleError: the model cannot be opened.
        """
        directory = Path(path) if path is not None else default_memory()
        asked = model if isinstance(model, Model) or model is None else load_model(model)
        if create and not _is_memory(directory):
            asked = asked or load_model()
            keep_bundle(asked.bundle)
            try:
                return cls(RecordTable.create(directory, asked.id, asked.dim), asked)
            except MemoryStoreError:
                if not _is_memory(directory):  # else another process has made it meanwhile
                    raise
        table = RecordTable.open(directory)
        made_with = table.snapshot.manifest.encoder_id
        if asked is not None and asked.id != made_with:
            raise MemoryStoreError(
                f"{directory}: was made with the model {made_with}, not {asked.id}: leave the model out, or index into "
                "a new memory"
            )
        return cls(table, asked)

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.table.directory

    @property
    def model(self) -> Model:
        """The model that the memory was made with.

        Raises:
            MemoryStoreError: it is no longer at hand.
        """
        with self._reading:
            if self._model is None:
                made_with = self.table.snapshot.manifest.encoder_id
                bundle = find_bundle(made_with)
                if bundle is None:
                    raise MemoryStoreError(
                        f"{self.path}: was made with the model {made_with}, which is not at hand: give its directory "
                        "as the model, or index the photos into a new memory"
                    )
                self._model = Model(BundleEncoder(bundle))
            return self._model

    def __len__(self) -> int:
        return self.table.refresh().count()

    def search(
        self,
        text: str | None = None,
        image: ImageLike | None = None,
        vector: Embedding | None = None,
        *,
        k: int = 10,
        offset: int = 0,
        where: str | None = None,
        mode: Mode = "vector",
        sort: str = "score",
        min_score: float | None = None,
        kinds: Iterable[Kind] | None = None,
        text_weight: float = 0.5,
    ) -> SearchResult:
        """Finds records by a sentence, an image, both together, or a vector of the model.

        Args:
            text: what to look for; words of it are matched as well in the modes ``text`` and ``hybrid``.
            image: a file, PIL image or RGB array that hits should resemble.
            vector: [dim], instead of text and image.
            k: how many hits, at least 1.
            offset: how many of the best to leave out.
            where: SQL filter over the columns, such as ``taken_at >= '2024-06-01' AND camera LIKE 'Canon%'``.
            mode: ``vector`` for meaning, ``text`` for words, ``hybrid`` for both.
            sort: ``score``, or a column, with ``-`` before it for descending.
            min_score: leaves out hits with a smaller cosine.
            kinds: kinds of records to find; photos when not given.
            text_weight: of the text when an image is given too, 0 to 1.

        Raises:
            QueryError: the query is empty or an option is out of range.
            ImageError: the image cannot be read.
        """
        started = time.perf_counter()
        if text is not None and not text.strip():
            raise QueryError("the query is empty: say what to look for")
        query = self._query(text, image, vector, text_weight)
        found = self.searcher().search(
            query, text, k=k, offset=offset, where=where, mode=mode, sort=sort, min_score=min_score, kinds=kinds
        )
        return dataclasses.replace(found, seconds=time.perf_counter() - started, warnings=self._warnings(text))

    def searcher(self) -> Searcher:
        """Search over the memory as it is now, with vectors of one's own; later changes do not reach it."""
        calibration = self.model.encoder.calibration
        with self._reading:  # one thread reads the vectors, and nobody gets those of another version
            snapshot = self.table.refresh()
            index = VectorIndex(snapshot) if self._index is None else self._index.refreshed(snapshot)
            self._index = index
        return Searcher(snapshot, index, calibration)

    def add(
        self,
        *,
        image: str | Path | None = None,
        texts: str | Sequence[str] = (),
        label: str | None = None,
        source: str = "manual",
    ) -> Record:
        """Teaches one thing by hand: a photo with what is to be known about it, or a text alone.

        Adding the same photo to the same source again replaces what was said of it.

        Raises:
            QueryError: there is nothing to add.
            ImageError: the image cannot be read.
            MemoryStoreError: the memory cannot be written.
        """
        given = [texts] if isinstance(texts, str) else texts
        kept = tuple(dict.fromkeys(text.strip() for text in given if text.strip()))
        label = (label or "").strip() or None
        if image is None and not kept:
            raise QueryError("nothing to add: give an image, a text, or both")
        if image is None:
            uri = record_id(source, "text", "\n".join(kept))
            candidate = Candidate(source, "text", uri, Path(uri), 0, 0, kept, label)
            row = Row(candidate, kept, text_vectors=self.model.encode_texts(kept))
        else:
            candidate = _candidate(Path(image), source, kept, label)
            photo = encode_photo(candidate, self.model.encoder)
            row = photo.row(self.model.encode_texts(photo.texts))
        self.table.upsert([row])
        snapshot = self.table.snapshot
        row_ids = snapshot.row_ids(f"id = {sql_string(candidate.id)}")
        return snapshot.records(row_ids)[int(row_ids[0])]

    def delete(self, *, where: str | None = None, ids: Sequence[str] | None = None, missing_files: bool = False) -> int:
        """Deletes records, never files; returns how many.

        Args:
            where: those that pass an SQL filter.
            ids: those with these ids.
            missing_files: those whose file is gone.

        Raises:
            QueryError: none or several of the three are given, or the filter does not work.
        """
        if (where is not None) + (ids is not None) + missing_files != 1:
            raise QueryError("say which records: by a filter, by ids, or those whose files are missing")
        if where is not None:
            return self.table.delete(compile_where(where))
        if ids is not None:
            return self.table.delete_ids(ids)
        return self.table.delete_ids(self.missing())

    def missing(self, source: str | None = None, below: Sequence[Path] | None = None) -> list[str]:
        """Ids of the photo records whose file is gone.

        A file that cannot be looked at, in a folder without permission or on a drive that does not answer, is not
        counted as gone.

        Args:
            source: only of this source.
            below: only files under these folders, or these files.
        """
        where = "kind IN ('image', 'image_text')"
        if source is not None:
            where += f" AND source = {sql_string(source)}"
        return [
            record
            for record, uri in self.table.refresh().uris(where)
            if (below is None or any(Path(uri).is_relative_to(root) for root in below)) and _is_gone(uri)
        ]

    def relocate(self, old: str | Path, new: str | Path) -> int:
        """Follows photos that were moved as a folder; vectors and captions stay. Returns how many records moved."""
        return self.table.relocate(*(os.path.abspath(path) for path in (old, new)))  # noqa: PTH100

    def info(self) -> MemoryInfo:
        """What it holds."""
        return self.table.refresh().info()

    def label_counts(self) -> dict[str, int]:
        """Number of records of each label."""
        snapshot = self.table.refresh()
        return dict(Counter(snapshot.column("label", snapshot.row_ids("label IS NOT NULL")).values()))

    def thumbs(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Small WebP images by record id; records without one are left out."""
        snapshot = self.table.refresh()
        wanted = ", ".join(sql_string(record) for record in ids)
        row_ids = snapshot.row_ids(f"id IN ({wanted})") if ids else np.empty(0, np.uint64)
        names = snapshot.column("id", row_ids)
        return {names[row]: thumb for row, thumb in snapshot.thumbs(row_ids).items()}

    def _query(
        self, text: str | None, image: ImageLike | None, vector: Embedding | None, text_weight: float
    ) -> QueryVector | None:
        if vector is not None:
            if text is not None or image is not None:
                raise QueryError("a vector is given together with a text or an image: give one of them")
            return self._given(vector)
        parts: dict[Modality, Embedding] = {}
        if text is not None:
            parts["text"] = self.model.encode_texts([text])[0]
        if image is not None:
            parts["image"] = self.model.encode_images([image])[0]
        if len(parts) < 2:
            return next((QueryVector(part, modality) for modality, part in parts.items()), None)
        # Cosines to images spread much wider for an image than for a text: measured in their own spread, half and
        # half means that both have the same say.
        background = self.model.encoder.calibration.moments["image"]
        text_part, image_part = (part / background.spread(part) for part in parts.values())
        mixed = mix(text_part, image_part, text_weight)
        return QueryVector(mixed, "text" if text_weight >= 0.5 else "image")

    def _given(self, vector: Embedding) -> QueryVector:
        try:
            row = np.asarray(vector, dtype=np.float64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise QueryError(f"the vector holds no numbers ({error}): give {self.model.dim} of them") from error
        with np.errstate(over="ignore"):
            length = float(np.linalg.norm(row))
        if row.shape != (self.model.dim,) or not np.isfinite(length) or length == 0:
            raise QueryError(
                f"the vector has shape {np.shape(vector)}: give {self.model.dim} finite numbers, not all 0"
            )
        return QueryVector((row / length).astype(np.float32), "image")

    def _warnings(self, text: str | None) -> tuple[str, ...]:
        languages = self.model.card.languages
        script = None if text is None else foreign_script(text, languages)
        if script is None:
            return ()
        trained = ", ".join(languages)
        return (f"the query is in {script} script, the model knows {trained} only: the hits may not fit",)


def _is_memory(directory: Path) -> bool:
    # Not ``Path.exists``, which raises where the folder may not be looked into; opening then says so.
    return os.path.exists(directory / MANIFEST_FILE)  # noqa: PTH110


def _candidate(path: Path, source: str, texts: tuple[str, ...], label: str | None) -> Candidate:
    path = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user named them
    try:
        status = path.stat()
    except OSError as error:
        raise ImageError(path, os_reason(error)) from error
    return Candidate(source, "image", str(path), path, status.st_size, status.st_mtime_ns, texts, label)


def _is_gone(uri: str) -> bool:
    try:
        Path(uri).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False

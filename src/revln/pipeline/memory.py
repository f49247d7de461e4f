"""A memory in use: records on disk, the model that encodes for them, and search over both."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from revln.config import COMPARED, default_memory
from revln.errors import MemoryStoreError, QueryError, RecordNotFoundError
from revln.metrics import Rarity
from revln.models import ImageLike, Model, keep_bundle, load_model
from revln.pipeline.audit import AuditReport, audit_file, standing_of
from revln.pipeline.calibration import CalibrationReader
from revln.pipeline.duplicates import Duplicate, duplicates_of
from revln.pipeline.maintenance import MaintainedMemory
from revln.pipeline.queries import EncodedQuery, query_vector, query_warnings
from revln.pipeline.rarity import RarityReader
from revln.pipeline.reranking import RERANKED, rerank_hits
from revln.pipeline.teaching import teach
from revln.retrieve import Mode, QueryVector, Searcher, compile_where
from revln.retrieve.filters import conjunction
from revln.store import RecordTable, Snapshot, VectorIndex
from revln.store.manifest import MANIFEST_FILE
from revln.store.words import sql_string
from revln.types import Embedding, Kind, Record, SearchResult

__all__ = ["Memory"]


class Memory(MaintainedMemory):
    """Photos and other knowledge that can be searched; adding records is all the teaching there is.

    Searching sees what other processes have added meanwhile. Safe in threads.
    """

    def __init__(self, table: RecordTable, model: Model | None = None) -> None:
        """Use ``Memory.open``."""
        super().__init__(table, model)
        self._index: VectorIndex | None = None
        self._calibration = CalibrationReader()
        self._rarity = RarityReader()
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
        sources: Iterable[str] | None = None,
        weights: Mapping[str, float] | None = None,
        knowledge: bool = True,
        text_weight: float = 0.5,
        rerank: bool = False,
        encoded: EncodedQuery | None = None,
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
            sources: only records of these sources are found, and only theirs lead to photos; all when not given.
            weights: by the name of a source or kind, what the odds of its records' probabilities are multiplied by.
            knowledge: whether texts that clearly fit a sentence lead to the photos that they are linked with.
            text_weight: of the text when an image is given too, 0 to 1.
            rerank: have the generator look at the best hits again, and sort them by how likely it finds the text as a
                description, too; needs a text and sorting by score.
            encoded: vectors of the text, or of an image in the place of ``image``, that are at hand already.

        Raises:
            QueryError: the query is empty or an option is out of range.
            ImageError: the image cannot be read.
            MemoryStoreError: what is encoded already is of another model.
        """
        started = time.perf_counter()
        if text is not None and not text.strip():
            raise QueryError("the query is empty: say what to look for")
        if rerank and (text is None or sort != "score"):
            raise QueryError("rerank sorts by how likely a text is: give a text, and leave other sorting out")
        model, searcher = self._current()
        query = query_vector(model, text, image, vector, encoded, text_weight)
        of_image = image is not None or (encoded is not None and encoded.image is not None)
        found = searcher.search(
            query,
            text,
            k=max(offset + k, RERANKED) if rerank else k,
            offset=0 if rerank else offset,
            where=where,
            mode=mode,
            sort=sort,
            min_score=min_score,
            kinds=kinds,
            sources=sources,
            weights=weights,
            knowledge=knowledge and not of_image,  # a photo's say is not in what a text leads to
        )
        hits = found.hits
        if rerank and text is not None:
            thumbs = self.thumbs([hit.record.id for hit in hits[:RERANKED]])
            hits = rerank_hits(model, text, hits, thumbs, mode)[offset : offset + k]
        return dataclasses.replace(
            found, hits=hits, seconds=time.perf_counter() - started, warnings=query_warnings(model, text)
        )

    def similar(
        self,
        record: str,
        *,
        k: int = 10,
        offset: int = 0,
        where: str | None = None,
        sort: str = "score",
        min_score: float | None = None,
        kinds: Iterable[Kind] | None = None,
        sources: Iterable[str] | None = None,
    ) -> SearchResult:
        """Finds records that resemble one that the memory holds, without that one.

        Args:
            record: its id. Its picture is compared; of a record that has none, its first text.
            k: see ``search``, as for all that follow.
            offset: see there.
            where: see there.
            sort: see there.
            min_score: see there.
            kinds: see there.
            sources: see there.

        Raises:
            QueryError: an option is out of range.
            RecordNotFoundError: there is no such record.
        """
        started = time.perf_counter()
        _, searcher = self._current()
        query = _vector_of(record, searcher)
        others = conjunction([None if where is None else compile_where(where), f"id != {sql_string(record)}"])
        found = searcher.search(
            query, k=k, offset=offset, where=others, sort=sort, min_score=min_score, kinds=kinds, sources=sources
        )
        return dataclasses.replace(found, seconds=time.perf_counter() - started)

    def duplicates_of(self, record: str, *, k: int = COMPARED) -> tuple[Duplicate, ...]:
        """Other records of one photo's picture: copies of its file, and versions of it as ``duplicates`` knows them.

        Only the photos nearest to it are compared with it. A version may be missed where an index misses a neighbour,
        or where more than ``k`` photos are nearer.

        Args:
            record: its id. What is no photo has no duplicates.
            k: how many of the nearest photos to compare.

        Returns:
            Copies first, then versions; among each the one to keep first.

        Raises:
            QueryError: ``k`` is less than 1.
            RecordNotFoundError: there is no such record.
            MemoryStoreError: the memory cannot be read.
        """
        return duplicates_of(*self._latest(), record, k)

    def searcher(self) -> Searcher:
        """Search over the memory as it is now, with vectors of one's own; later changes do not reach it."""
        return self._current()[1]

    def rarity(self, language: str) -> Rarity:
        """How rare words and phrases are in what the memory says in a language."""
        return self._rarity.read(self.table.refresh(), language)

    def _current(self) -> tuple[Model, Searcher]:
        """Search over the memory as it is now, and the model whose vectors it compares."""
        snapshot, index = self._latest()
        model = self._model_of(snapshot.manifest.encoder_id)
        calibration = self._calibration.read(snapshot, model.encoder.calibration)
        return model, Searcher(snapshot, index, calibration, model.encode_texts)

    def _latest(self) -> tuple[Snapshot, VectorIndex]:
        """The records and the vectors as they are now."""
        with self._reading:  # one thread reads the vectors, and nobody gets those of another version
            snapshot = self.table.refresh()
            self._index = VectorIndex(snapshot) if self._index is None else self._index.refreshed(snapshot)
            return snapshot, self._index

    def add(
        self,
        *,
        image: str | Path | None = None,
        texts: str | Sequence[str] = (),
        label: str | None = None,
        source: str | None = None,
        question: str | None = None,
        answer: str | None = None,
    ) -> Record:
        """Teaches one thing by hand: a photo with what is to be known about it, a text alone, or an answer.

        A photo that the memory holds keeps its record and its source; texts that are given replace its texts, a label
        its label. A question with its answer, about a photo or not, becomes a record of its own; another answer to it
        replaces the first.

        Args:
            image: the photo.
            texts: what is to be known.
            label: its class.
            source: under which it is kept. If not given, that of the record that the photo has, else ``manual``.
            question: that was asked.
            answer: to the question.

        Raises:
            QueryError: there is nothing to add, or a question without an answer.
            ImageError: the image cannot be read.
            MemoryStoreError: the memory cannot be written.
        """
        self.table.refresh()
        return teach(self.table, self.model, image, texts, label, source, question, answer)

    def audit(self, file: str | Path, *, query: str | None = None, where: str | None = None) -> AuditReport:
        """Says why a photo is found, or is not.

        Args:
            file: the photo, which need not exist any more.
            query: what was looked for.
            where: the filter that was used.

        Raises:
            QueryError: the filter does not work, or there is no query to it.
        """
        report = audit_file(self.table.refresh(), Path(file))
        if query is None:
            if where is not None:
                raise QueryError("a filter alone ranks nothing: say what was looked for as well")
            return report
        model, searcher = self._current()
        return standing_of(report, searcher, query_vector(model, query), query, where)


def _vector_of(record: str, searcher: Searcher) -> QueryVector:
    rows = searcher.view.row_ids(f"id = {sql_string(record)}")
    if not len(rows):
        raise RecordNotFoundError(record)
    try:
        return QueryVector(searcher.index.image_vectors(rows)[0], "image")
    except KeyError:  # it has no picture
        (texts,) = searcher.view.text_vectors(rows).values()
        return QueryVector(texts[0], "text")


def _is_memory(directory: Path) -> bool:
    # Not ``Path.exists``, which raises where the folder may not be looked into; opening then says so.
    return os.path.exists(directory / MANIFEST_FILE)  # noqa: PTH110

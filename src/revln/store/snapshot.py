"""Reading one version of the records, unmoved by what writers do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lance.dataset import ColumnOrdering

from revln.protocols import RowIds
from revln.store.disk import bytes_below
from revln.store.failures import filter_failures, store_failures
from revln.store.known import Known
from revln.store.manifest import Manifest
from revln.store.rows import Row, record_from, row_from, text_matrix
from revln.store.schema import RECORD_COLUMNS, TABLE_DIRECTORY, record_schema
from revln.store.text_query import text_query
from revln.store.words import decode_uri
from revln.types import Embedding, Record

__all__ = ["MemoryInfo", "Snapshot"]


_FILTERS = 8  # remembered: 8 bytes for each row that passes


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """What a memory holds.

    Attributes:
        records: number of records.
        kinds: records of each kind.
        sources: records of each source.
        image_vectors: number of image vectors.
        text_vectors: number of caption vectors.
        taken_from: earliest time of exposure, ISO 8601.
        taken_to: latest time of exposure.
        indexed_at: time of the last indexing.
        bytes: size on disk, old versions included.
        fragments: number of data fragments.
        version: version of the table.
        encoder_id: encoder of the vectors.
        dim: their width.
        created_at: ISO 8601, UTC.
    """

    records: int
    kinds: Mapping[str, int]
    sources: Mapping[str, int]
    image_vectors: int
    text_vectors: int
    taken_from: str | None
    taken_to: str | None
    indexed_at: str | None
    bytes: int
    fragments: int
    version: int
    encoder_id: str
    dim: int
    created_at: str

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


class Snapshot:
    """The records of one version of a memory. Immutable, hence free to share between threads.

    Attributes:
        directory: the memory.
        manifest: its ``memory.json``.
        dataset: the Lance dataset, checked out at the version; for the layer's own use.
    """

    def __init__(self, directory: Path, manifest: Manifest, dataset: lance.LanceDataset) -> None:
        self.directory = directory
        self.manifest = manifest
        self.dataset = dataset
        # The pages of one search, and searches with one filter, ask for the same again.
        self._filtered = lru_cache(_FILTERS)(self._read_row_ids)

    @classmethod
    def latest(cls, directory: Path, session: Any = None) -> Snapshot:
        """The latest version, together with the ``memory.json`` of the same moment.

        Args:
            directory: the memory.
            session: caches of a dataset of the same memory.

        Raises:
            MemoryStoreError: there is none, or it is foreign, damaged or of a newer revln.
        """
        manifest = Manifest.load(directory)
        while True:
            with store_failures(directory, "open"):
                dataset = lance.dataset(directory / TABLE_DIRECTORY, session=session)
            now = Manifest.load(directory)
            if now == manifest:
                return cls(directory, manifest, dataset)
            manifest = now  # a migration has just switched columns, which the version read before it may lack

    @property
    def version(self) -> int:
        """Version of the table."""
        return int(self.dataset.version)

    def count(self, where: str | None = None) -> int:
        """Number of records that pass an SQL filter.

        Raises:
            QueryError: the filter does not work.
        """
        with store_failures(self.directory, "read"), filter_failures(where):
            return int(self.dataset.count_rows(filter=where))

    def kinds(self) -> Mapping[str, int]:
        """Number of records of each kind."""
        return self._kinds

    def sources(self) -> Mapping[str, int]:
        """Number of records of each source."""
        return self._sources

    def counts(self, column: str, where: str | None = None) -> dict[str, int]:
        """Number of records with each value of a column, the most frequent first.

        Raises:
            QueryError: the filter does not work.
        """
        return _counts(self._read([column], where)[column])

    def row_ids(self, where: str | None = None) -> RowIds:
        """Ids [n] of the rows that pass an SQL filter, ascending; not to be written to.

        Raises:
            QueryError: the filter does not work.
        """
        return self._filtered(where)

    def newest(self, limit: int, offset: int = 0, where: str | None = None) -> RowIds:
        """Ids of a page of rows, those taken last first, then those without a time that were indexed last.

        Raises:
            QueryError: the filter does not work.
        """
        order = [ColumnOrdering(name, ascending=False, nulls_first=False) for name in ("taken_at", "indexed_at")]
        # Equal times in a fixed order, so that pages do not overlap.
        order.append(ColumnOrdering("id", ascending=True, nulls_first=False))
        return _row_ids(self._read(["taken_at"], where, order_by=order, limit=limit, offset=offset))

    def full_text(self, query: str, limit: int, where: str | None = None) -> tuple[RowIds, Embedding]:
        """Rows [n] with a word of the query and their BM25 scores [n], best first.

        Words are compared without case, accents and English endings. Rows that the index does not hold yet are
        scanned, so a record is found as soon as it is added.

        Raises:
            QueryError: the filter does not work.
        """
        # Naming _score as a column is what keeps Lance from writing a deprecation notice to stderr.
        found = self._read(["_score"], where, full_text_query=text_query(query), limit=limit, prefilter=True)
        row_ids, scores = _row_ids(found), found["_score"].to_numpy()
        # A writer killed between compaction and the rebuilding of the index leaves deleted rows in the latter.
        alive = np.isin(row_ids, np.fromiter(self._take((), row_ids), np.uint64))
        row_ids, scores = row_ids[alive], scores[alive]
        order = np.lexsort((row_ids, -scores))  # equal scores in a fixed order, so that pages do not overlap
        return row_ids[order], scores[order]

    def records(self, row_ids: RowIds) -> dict[int, Record]:
        """Records by row id, in the order asked; rows that do not exist are left out."""
        return {row_id: record_from(values) for row_id, values in self._take(RECORD_COLUMNS, row_ids).items()}

    def rows(self, row_ids: RowIds) -> dict[int, Row]:
        """All that is stored of records, with the vectors in use, by row id; rows that do not exist are left out."""
        manifest = self.manifest
        columns = record_schema(manifest.dim, manifest.image_column, manifest.text_column).names
        return {row_id: row_from(values, manifest) for row_id, values in self._take(columns, row_ids).items()}

    def thumbs(self, row_ids: RowIds) -> dict[int, bytes]:
        """Encoded small images by row id, in the order asked; records without one are left out."""
        found = self.column("thumb", row_ids)
        return {row_id: thumb for row_id, thumb in found.items() if thumb is not None}

    def column(self, name: str, row_ids: RowIds) -> dict[int, Any]:
        """One column's values by row id, in the order asked; rows that do not exist are left out."""
        return {row_id: values[name] for row_id, values in self._take((name,), row_ids).items()}

    def text_vectors(self, row_ids: RowIds) -> dict[int, Embedding]:
        """Active vectors [texts, dim] of the texts of each row that has some, by row id."""
        if len(row_ids) == 0:
            return {}
        column = self.manifest.text_column
        found = self._taken((column,), row_ids)
        vectors, lengths = text_matrix(found[column].combine_chunks(), self.manifest.dim)
        ends = np.cumsum(lengths)
        places = zip(_row_ids(found).tolist(), (ends - lengths).tolist(), ends.tolist(), strict=True)
        return {row_id: vectors[start:end] for row_id, start, end in places if end > start}

    def known(self) -> Known:
        """Fingerprint of each record by id, to tell the files that need no reading."""
        with store_failures(self.directory, "read"):
            return Known(self.dataset.to_batches(columns=["id", "fingerprint"]))

    def uris(self, where: str | None = None) -> Iterator[tuple[str, str]]:
        """Pairs of id and uri, for finding the records whose file is gone.

        Raises:
            QueryError: the filter does not work.
        """
        for values in self._read(["id", "uri"], where).to_pylist():
            yield values["id"], decode_uri(values["uri"])

    def info(self) -> MemoryInfo:
        """What the memory holds, and what it takes on disk."""
        facts = self._read(["source", "texts", "taken_at", "indexed_at"])
        taken = pc.min_max(facts["taken_at"]).as_py()
        return MemoryInfo(
            records=facts.num_rows,
            kinds=self.kinds(),
            sources=_counts(facts["source"]),
            image_vectors=self.count(f"{self.manifest.image_column} IS NOT NULL"),
            text_vectors=pc.sum(pc.list_value_length(facts["texts"])).as_py() or 0,
            taken_from=_iso(taken["min"]),
            taken_to=_iso(taken["max"]),
            indexed_at=_iso(pc.max(facts["indexed_at"]).as_py()),
            bytes=bytes_below(self.directory),
            fragments=len(self.dataset.get_fragments()),
            version=self.version,
            encoder_id=self.manifest.encoder_id,
            dim=self.manifest.dim,
            created_at=self.manifest.created_at,
        )

    @cached_property
    def _kinds(self) -> Mapping[str, int]:
        return self.counts("kind")

    @cached_property
    def _sources(self) -> Mapping[str, int]:
        return self.counts("source")

    def _read_row_ids(self, where: str | None) -> RowIds:
        return np.sort(_row_ids(self._read([], where)))

    def _take(self, columns: Sequence[str], row_ids: RowIds) -> dict[int, dict[str, Any]]:
        if len(row_ids) == 0:
            return {}
        by_id = {values["_rowid"]: values for values in self._taken(columns, row_ids).to_pylist()}
        return {row_id: by_id[row_id] for row_id in row_ids.tolist() if row_id in by_id}

    def _taken(self, columns: Sequence[str], row_ids: RowIds) -> pa.Table:
        """Columns and ``_rowid`` of the rows that exist."""
        with store_failures(self.directory, "read"):
            # Not documented, and twice as fast as the filter ``_rowid IN (...)``.
            return self.dataset._take_rows(row_ids.tolist(), columns=[*columns, "_rowid"])

    def _read(self, columns: list[str], where: str | None = None, **options: Any) -> pa.Table:
        with store_failures(self.directory, "read"), filter_failures(where):
            return self.dataset.to_table(columns=columns, filter=where, with_row_id=True, **options)


def _row_ids(table: pa.Table) -> RowIds:
    ids: RowIds = table["_rowid"].to_numpy()
    return ids


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    pairs = [(entry["values"], entry["counts"]) for entry in pc.value_counts(column).to_pylist()]
    return dict(sorted(pairs, key=lambda pair: -pair[1]))


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()

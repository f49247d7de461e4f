"""Reading every column of every record, and noting what is not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from revln.errors import ImageError
from revln.images import decode_thumb
from revln.store.schema import VECTOR_PREFIXES
from revln.store.snapshot import Snapshot
from revln.store.words import decode_uri
from revln.types import record_id

__all__ = ["RecordScan"]

_BATCH_ROWS = 256
_THUMB_STEP = 50  # of this many thumbs one is decoded, unless all are
_UNIT = 1e-3  # a vector's length may be off by this much
_NAMED = 3  # records named of a fragment that cannot be read


class RecordScan:
    """One pass over all records, in little memory.

    Attributes:
        records: number of records read.
        fragments: number of fragments.
        vectors: number of vectors looked at.
        thumbs: number of thumbs decoded.
        unreadable: fragments that cannot be read, with the files whose records are in them.
        wrong_ids: records with the id of another, or one that does not fit.
        wrong_vectors: records with a vector that is not finite or not of unit length.
        wrong_texts: records whose texts and text vectors differ in number.
        wrong_thumbs: records whose thumb is no image.
    """

    def __init__(self, snapshot: Snapshot, full: bool) -> None:
        self._snapshot = snapshot
        self._step = 1 if full else _THUMB_STEP
        self._seen_thumbs = 0
        self._ids: list[np.ndarray[tuple[int], np.dtype[np.bytes_]]] = []
        self.records = self.fragments = self.vectors = self.thumbs = 0
        self.unreadable: list[str] = []
        self.wrong_ids: list[str] = []
        self.wrong_vectors: list[str] = []
        self.wrong_texts: list[str] = []
        self.wrong_thumbs: list[str] = []

    def run(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Reads all.

        Args:
            progress: called with the records done and the records in all.
        """
        total = self._snapshot.count()
        for fragment in self._snapshot.dataset.get_fragments():
            self.fragments += 1
            try:
                for batch in fragment.to_batches(batch_size=_BATCH_ROWS):
                    self._look_at(batch)
                    if progress:
                        progress(self.records, total)
            except (OSError, ValueError, RuntimeError) as error:
                self.unreadable.append(self._name(fragment, error))
        ids, counts = np.unique(np.concatenate([np.empty(0, "S20"), *self._ids]), return_counts=True)
        self.wrong_ids += [f"{record.decode()} is the id of several records" for record in ids[counts > 1]]

    def _name(self, fragment: lance.LanceFragment, error: Exception) -> str:
        reason = str(error).strip().splitlines()[0][:120]
        try:
            uris = [decode_uri(uri) for uri in fragment.to_table(columns=["uri"])["uri"].to_pylist()]
        except (OSError, ValueError, RuntimeError):
            return f"fragment {fragment.fragment_id} ({reason})"
        more = f" and {len(uris) - _NAMED:,} more" if len(uris) > _NAMED else ""
        return f"fragment {fragment.fragment_id} with {', '.join(uris[:_NAMED])}{more} ({reason})"

    def _look_at(self, batch: pa.RecordBatch) -> None:
        self.records += len(batch)
        names = batch.schema.names
        uris = [decode_uri(uri) for uri in batch["uri"].to_pylist()]
        keys = zip(*(batch[name].to_pylist() for name in ("id", "source", "kind", "number")), uris, strict=True)
        for stored, source, kind, number, uri in keys:
            if stored != record_id(source, kind, uri, number):
                self.wrong_ids.append(f"{stored} of {uri} does not fit it")
        self._ids.append(np.array(batch["id"].cast(pa.binary()).to_pylist(), "S20"))
        for name in names:
            if name.startswith(VECTOR_PREFIXES):
                self._look_at_vectors(batch[name], uris)
        self._look_at_texts(batch, uris)
        for uri, thumb in zip(uris, batch["thumb"], strict=True):
            if thumb.is_valid:
                self._look_at_thumb(uri, thumb)

    def _look_at_vectors(self, column: pa.Array, uris: Sequence[str]) -> None:
        """Of a column of vectors, or of lists of vectors."""
        owners = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        if pa.types.is_list(column.type):
            lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
            owners = np.repeat(np.arange(len(column)), lengths)
            column = column.flatten()
        values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
        with np.errstate(invalid="ignore", over="ignore"):
            lengths = np.linalg.norm(values, axis=1)
        # A zero vector is what an encoder gives for what it cannot embed; NaN is in no range.
        fine = (np.abs(lengths - 1) <= _UNIT) | (lengths == 0)
        self.vectors += len(values)
        self.wrong_vectors += [uris[place] for place in dict.fromkeys(owners[~fine].tolist())]

    def _look_at_texts(self, batch: pa.RecordBatch, uris: Sequence[str]) -> None:
        texts = pc.fill_null(pc.list_value_length(batch["texts"]), 0)
        vectors = pc.fill_null(pc.list_value_length(batch[self._snapshot.manifest.text_column]), 0)
        differ = pc.not_equal(texts, vectors).to_numpy(zero_copy_only=False)
        self.wrong_texts += [uris[place] for place in np.flatnonzero(differ).tolist()]

    def _look_at_thumb(self, uri: str, thumb: pa.BinaryScalar) -> None:
        self._seen_thumbs += 1
        if (self._seen_thumbs - 1) % self._step:
            return
        self.thumbs += 1
        try:
            decode_thumb(thumb.as_py())
        except ImageError as error:
            self.wrong_thumbs.append(f"{uri} ({error.reason})")

"""Keeping the table quick: the full text index, few fragments, no old versions. The caller holds the write lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import lance
import pyarrow as pa

from revln.store.background import CALIBRATION_FILE
from revln.store.catalog import INDEX_DIRECTORY, drop_index
from revln.store.manifest import Manifest
from revln.store.schema import TEXT_COLUMN, VECTOR_PREFIXES

__all__ = [
    "KEEP_VERSIONS",
    "compact",
    "create_text_index",
    "drop_derived",
    "drop_unused_vectors",
    "needs_upkeep",
    "reclaim",
    "tidy",
    "unused_vectors",
]


KEEP_VERSIONS = timedelta(hours=1)  # readers that hold an older version are given this long
_FILTERED_ROWS = 20_000  # a scan of fewer takes a few milliseconds
_FILTER_INDEXES: dict[str, Literal["BITMAP", "BTREE", "LABEL_LIST"]] = {
    "source": "BITMAP",
    "kind": "BITMAP",
    "label": "BTREE",
    "camera": "BTREE",
    "keywords": "LABEL_LIST",
    "taken_at": "BTREE",
    "indexed_at": "BTREE",
    "lat": "BTREE",
    "lon": "BTREE",
    "uri": "BTREE",
}
# Share of the rows that every search by words or filter scans rather than writing all indexes anew for a few records,
# which takes seconds where there are a million.
_UNINDEXED = 0.02
_FRAGMENT_ROWS = 16_384  # rows of a full fragment; bounds what one compaction rewrites
_SMALL_FRAGMENTS = 64
_REWRITE_ROWS = 4096
_BATCH_ROWS = 256  # about 6 MB with thumbs and five captions, so compaction needs little memory


def create_filter_indexes(dataset: lance.LanceDataset) -> None:
    """Makes the indexes that filters use, for a table large enough to gain by them; they follow in ``tidy``."""
    if dataset.count_rows() < _FILTERED_ROWS:
        return
    present = {name for index in dataset.describe_indices() for name in index.field_names}
    for column, kind in _FILTER_INDEXES.items():
        if column not in present:
            dataset.create_scalar_index(column, kind)


def create_text_index(dataset: lance.LanceDataset) -> None:
    """Makes the full text index anew, in one commit; rows that come later are scanned until ``tidy`` takes them in."""
    dataset.create_scalar_index(TEXT_COLUMN, "INVERTED", replace=True)


def needs_upkeep(dataset: lance.LanceDataset) -> bool:
    """Whether small fragments have piled up."""
    small = sum(fragment.metadata.physical_rows < _FRAGMENT_ROWS for fragment in dataset.get_fragments())
    return small >= _SMALL_FRAGMENTS


def tidy(dataset: lance.LanceDataset) -> None:
    """Takes new rows into the index and removes old versions; merges fragments only when they have piled up.

    Merging each time would rewrite up to a whole fragment for each photo added.

    Args:
        dataset: at its latest version; it is moved on.
    """
    create_filter_indexes(dataset)
    if needs_upkeep(dataset):
        compact(dataset, KEEP_VERSIONS)
    else:
        if _unindexed(dataset) > _UNINDEXED * dataset.count_rows():
            dataset.optimize.optimize_indices()
        dataset.cleanup_old_versions(older_than=KEEP_VERSIONS)


def _unindexed(dataset: lance.LanceDataset) -> int:
    """Number of rows that some index does not cover yet."""
    covered = [
        {number for segment in index.segments for number in segment.fragment_ids}
        for index in dataset.describe_indices()
    ]
    everywhere = set.intersection(*covered) if covered else set()
    return sum(
        part.physical_rows - part.num_deletions
        for part in dataset.get_fragments()
        if part.fragment_id not in everywhere
    )


def compact(dataset: lance.LanceDataset, keep: timedelta, *, purge: bool = False) -> None:
    """Takes new rows into the index, merges small fragments and removes old versions.

    Args:
        dataset: at its latest version; it is moved on.
        keep: age up to which versions are kept.
        purge: also rewrite fragments with few deleted rows, and the index.
    """
    deleted_from = {part.fragment_id for part in dataset.get_fragments() if part.num_deletions}
    dataset.optimize.compact_files(
        target_rows_per_fragment=_FRAGMENT_ROWS,
        materialize_deletions_threshold=0.0 if purge else None,
        num_threads=1,
        batch_size=_BATCH_ROWS,
    )
    if purge or deleted_from - {part.fragment_id for part in dataset.get_fragments()}:
        # Rebuilt rather than extended: Lance forgets here which rows were deleted, so that an index from before would
        # go on finding them (and holding their words). Seconds for a million records.
        create_text_index(dataset)
    else:
        dataset.optimize.optimize_indices()
    dataset.cleanup_old_versions(older_than=keep)


def unused_vectors(dataset: lance.LanceDataset, manifest: Manifest) -> list[str]:
    """Columns of vectors that neither the encoder in use nor the previous one made."""
    used = {*manifest.active.names, *(manifest.previous.names if manifest.previous else ())}
    return [name for name in dataset.schema.names if name.startswith(VECTOR_PREFIXES) and name not in used]


def drop_unused_vectors(directory: Path, dataset: lance.LanceDataset, manifest: Manifest) -> None:
    """Drops them and their index; ``reclaim`` frees their bytes.

    Args:
        directory: the memory.
        dataset: at its latest version; it is moved on.
        manifest: says which are used.
    """
    names = unused_vectors(dataset, manifest)
    if names:
        dataset.drop_columns(names)
    for name in names:
        shutil.rmtree(directory / INDEX_DIRECTORY / name, ignore_errors=True)


def reclaim(dataset: lance.LanceDataset) -> None:
    """Writes the records anew whose data files hold columns that were dropped or replaced, which frees their bytes.

    Lance itself rewrites a fragment only when it is small or has lost rows. Row ids stay.

    Args:
        dataset: at its latest version; it is moved on.
    """
    live = {field.id() for field in _all_fields(dataset.lance_schema.fields())}
    for fragment in dataset.get_fragments():
        if all(live.issuperset(file.fields) for file in fragment.data_files()):
            continue
        for batch in fragment.to_batches(batch_size=_REWRITE_ROWS):
            dataset.merge_insert("id").when_matched_update_all().execute(pa.Table.from_batches([batch]))


def _all_fields(fields: Iterable[Any]) -> Iterator[Any]:
    for field in fields:
        yield field
        yield from _all_fields(field.children())


def drop_derived(directory: Path) -> None:
    """Removes what is made from the records of the memory at ``directory``; upkeep makes it anew.

    What cannot be removed stays: a derived file that does not fit the records is never used.
    """
    drop_index(directory)
    with suppress(OSError):
        (directory / CALIBRATION_FILE).unlink(missing_ok=True)

"""Keeping the table quick: the full text index, few fragments, no old versions. The caller holds the write lock."""

from __future__ import annotations

from datetime import timedelta

import lance

from revln.store.schema import TEXT_COLUMN

__all__ = ["KEEP_VERSIONS", "compact", "create_text_index", "needs_upkeep", "tidy"]

KEEP_VERSIONS = timedelta(hours=1)  # readers that hold an older version are given this long
_FRAGMENT_ROWS = 16_384  # rows of a full fragment; bounds what one compaction rewrites
_SMALL_FRAGMENTS = 64
_BATCH_ROWS = 256  # about 6 MB with thumbs and five captions, so compaction needs little memory


def create_text_index(dataset: lance.LanceDataset) -> None:
    """Makes the full text index anew; rows that come later are found by a scan until ``tidy`` takes them in."""
    dataset.create_scalar_index(TEXT_COLUMN, "INVERTED")


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
    if needs_upkeep(dataset):
        compact(dataset, KEEP_VERSIONS)
    else:
        dataset.optimize.optimize_indices()
        dataset.cleanup_old_versions(older_than=KEEP_VERSIONS)


def compact(dataset: lance.LanceDataset, keep: timedelta, *, purge: bool = False) -> None:
    """Takes new rows into the index, merges small fragments and removes old versions.

    Args:
        dataset: at its latest version; it is moved on.
        keep: age up to which versions are kept.
        purge: also rewrite fragments with few deleted rows, and the index.
    """
    done = dataset.optimize.compact_files(
        target_rows_per_fragment=_FRAGMENT_ROWS,
        materialize_deletions_threshold=0.0 if purge else None,
        num_threads=1,
        batch_size=_BATCH_ROWS,
    )
    if purge or done.fragments_removed:
        # Rebuilt rather than extended: Lance forgets here which rows were deleted, so that an index from before would
        # go on finding them (and holding their words). Seconds for a million records.
        create_text_index(dataset)
    else:
        dataset.optimize.optimize_indices()
    dataset.cleanup_old_versions(older_than=keep)

"""Rewriting some columns of some rows, all else left where it is."""

from __future__ import annotations

import lance
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["update_rows"]


def update_rows(dataset: lance.LanceDataset, changes: pa.Table) -> None:
    """Writes new values in one commit; the other columns' files stay as they are.

    Args:
        dataset: at its latest version, under the write lock; it is not moved on.
        changes: ``_rowid`` and the columns to rewrite. Rows that do not exist are passed over.
    """
    updated, fields = [], set[int]()
    for fragment in dataset.get_fragments():
        row_ids = fragment.to_table(columns=[], with_row_id=True)["_rowid"]
        here = changes.filter(pc.is_in(changes["_rowid"], row_ids))
        if here.num_rows == 0:
            continue
        metadata, modified = fragment.update_columns(here, left_on="_rowid")
        updated.append(metadata)
        fields.update(modified)
    if updated:
        operation = lance.LanceOperation.Update(
            updated_fragments=updated, fields_modified=sorted(fields), update_mode="rewrite_columns"
        )
        lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)

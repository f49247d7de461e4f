"""Moving records to another place of their files, without touching their vectors."""

from __future__ import annotations

from dataclasses import dataclass

import lance
import pyarrow as pa

from revln.store.columns import update_rows
from revln.store.words import decode_uri, encode_uri, sql_string
from revln.types import record_id

__all__ = ["Move", "moves_of", "relocate"]


@dataclass(frozen=True, slots=True)
class Move:
    """A record's new place.

    Attributes:
        row_id: its row.
        old_id: its id so far.
        new_id: its id at the new place.
        uri: its new uri.
    """

    row_id: int
    old_id: str
    new_id: str
    uri: str


def moves_of(dataset: lance.LanceDataset, old_prefix: str, new_prefix: str) -> list[Move]:
    """Moves of the records at ``old_prefix`` or below it, taken as a path: ``/a/b`` has ``/a/b/c``, not ``/a/bc``."""
    old, new = old_prefix.rstrip("/\\") or "/", new_prefix.rstrip("/\\")
    found = dataset.to_table(
        columns=["id", "source", "kind", "uri", "number"],
        filter=f"starts_with(uri, {sql_string(encode_uri(old))})",
        with_row_id=True,
    )
    moves = []
    for values in found.to_pylist():
        uri = decode_uri(values["uri"])
        rest = uri[len(old.rstrip("/")) :]
        if rest and rest[0] not in "/\\":
            continue
        moved = new + rest
        new_id = record_id(values["source"], values["kind"], moved, values["number"])
        moves.append(Move(values["_rowid"], values["id"], new_id, moved))
    return moves


def relocate(dataset: lance.LanceDataset, moves: list[Move]) -> None:
    """Writes new ids and uris in one commit; the other columns' files, vectors among them, stay as they are."""
    changes = pa.table(
        {
            "_rowid": pa.array([move.row_id for move in moves], pa.uint64()),
            "id": pa.array([move.new_id for move in moves], pa.string()),
            "uri": pa.array([encode_uri(move.uri) for move in moves], pa.string()),
        }
    )
    update_rows(dataset, changes)

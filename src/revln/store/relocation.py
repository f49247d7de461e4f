"""Moving records to another place of their files, without touching their vectors."""

from __future__ import annotations

import json
from dataclasses import dataclass

import lance
import pyarrow as pa

from revln.store.columns import update_rows
from revln.store.words import decode_uri, encode_uri, sql_string
from revln.types import record_id

__all__ = ["Move", "moves_of", "relocate"]

_IMAGE = "image"  # what a record calls the photo that it is about, see ``Knowledge``


@dataclass(frozen=True, slots=True)
class Move:
    """A record's new place, or that of the photo that it is about.

    Attributes:
        row_id: its row.
        old_id: its id so far.
        new_id: its id at the new place.
        uri: its new uri.
        record: its new facts, as JSON.
    """

    row_id: int
    old_id: str
    new_id: str
    uri: str
    record: str

    @property
    def itself(self) -> bool:
        """Whether the record moves, and not only the photo that it is about."""
        return self.new_id != self.old_id


def moves_of(dataset: lance.LanceDataset, old_prefix: str, new_prefix: str) -> list[Move]:
    """Moves of the records at ``old_prefix`` or below it, taken as a path: ``/a/b`` has ``/a/b/c``, not ``/a/bc``.

    Records that lie elsewhere, but are about a photo there, follow it.
    """
    old, new = old_prefix.rstrip("/\\"), new_prefix.rstrip("/\\")
    below = f"starts_with(uri, {sql_string(encode_uri(old or '/'))})"
    found = dataset.to_table(
        columns=["id", "source", "kind", "uri", "number", "record"],
        filter=f"""{below} OR record LIKE '%"{_IMAGE}": "%'""",
        with_row_id=True,
    )
    rows = found.to_pylist()
    places = [_moved(decode_uri(values["uri"]), old, new) for values in rows]
    ids = {
        values["id"]: record_id(values["source"], values["kind"], place, values["number"])
        for values, place in zip(rows, places, strict=True)
        if place is not None
    }
    moves = []
    for values, place in zip(rows, places, strict=True):
        facts = json.loads(values["record"])
        named = facts["meta"].get(_IMAGE)  # a path or an id
        image = _moved(named, old, new) or (ids.get(named) if isinstance(named, str) else None)
        if place is None and image is None:
            continue
        if image is not None:
            facts["meta"][_IMAGE] = image
        new_id, uri = ids.get(values["id"], values["id"]), place or decode_uri(values["uri"])
        moves.append(Move(values["_rowid"], values["id"], new_id, uri, json.dumps(facts)))
    return moves


def relocate(dataset: lance.LanceDataset, moves: list[Move]) -> None:
    """Writes what changes in one commit; the other columns' files, vectors among them, stay as they are."""
    changes = pa.table(
        {
            "_rowid": pa.array([move.row_id for move in moves], pa.uint64()),
            "id": pa.array([move.new_id for move in moves], pa.string()),
            "uri": pa.array([encode_uri(move.uri) for move in moves], pa.string()),
            "record": pa.array([move.record for move in moves], pa.string()),
        }
    )
    update_rows(dataset, changes)


def _moved(path: object, old: str, new: str) -> str | None:
    """Where a path below ``old`` is now; None for what is no such path."""
    if not isinstance(path, str) or not path or not path.startswith(old):
        return None
    rest = path[len(old) :]
    return None if rest and rest[0] not in "/\\" else new + rest

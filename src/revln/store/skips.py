"""What could not be indexed and why, kept beside the records for ``audit``: JSON lines in ``skips.jsonl``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from revln.store.presence import is_gone
from revln.store.snapshot import Snapshot
from revln.store.words import encode_uri, sql_string
from revln.types import Skipped

__all__ = ["SKIPS_FILE", "Skip", "read_skips", "remember_skips"]

SKIPS_FILE = "skips.jsonl"
_ASKED_AT_ONCE = 500  # paths in one filter


@dataclass(frozen=True, slots=True)
class Skip:
    """A file that a run could not index.

    Attributes:
        source: name of the source.
        path: the file, or the name that a caption file gave it.
        reason: in a few words.
        at: when, ISO 8601, UTC.
    """

    source: str
    path: str
    reason: str
    at: str

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return asdict(self)


def read_skips(snapshot: Snapshot) -> list[Skip]:
    """What is still skipped: files that are gone, or that were indexed later, are left out.

    Raises:
        MemoryStoreError: the records cannot be read.
    """
    skips = [skip for skip in _stored(snapshot.directory) if not (Path(skip.path).is_absolute() and is_gone(skip.path))]
    indexed = _indexed_at(snapshot, [skip.path for skip in skips])
    return [skip for skip in skips if indexed.get(skip.path, "") < skip.at]


def remember_skips(snapshot: Snapshot, source: str, skips: Sequence[Skipped]) -> None:
    """Adds what a run skipped, which takes the place of what the source's earlier runs said of the same paths.

    Args:
        snapshot: the memory after the run; the caller holds the write lock.
        source: name of the source.
        skips: what it skipped.

    Raises:
        OSError: the file cannot be written.
    """
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    new = [Skip(source, skip.path, skip.reason, now) for skip in skips]
    said = {skip.path for skip in new}
    kept = [
        skip
        for skip in read_skips(snapshot)
        # Names that are no paths come from a caption file; a run that does not name them again has found them.
        if skip.source != source or (skip.path not in said and Path(skip.path).is_absolute())
    ]
    path = snapshot.directory / SKIPS_FILE
    if not (kept or new):
        path.unlink(missing_ok=True)
        return
    draft = path.with_name(f".{SKIPS_FILE}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(skip.to_dict()) + "\n" for skip in (*kept, *new))
    draft.replace(path)


def _stored(directory: Path) -> Iterator[Skip]:
    try:
        lines = (directory / SKIPS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # none yet, or damaged: nothing that a search rests on
        return
    for line in lines:
        try:
            yield Skip(**json.loads(line))
        except (ValueError, TypeError):
            continue


def _indexed_at(snapshot: Snapshot, paths: Sequence[str]) -> Mapping[str, str]:
    """When each of the paths was last indexed, of those that were."""
    found: dict[str, str] = {}
    names = sorted(set(paths))
    for start in range(0, len(names), _ASKED_AT_ONCE):
        some = names[start : start + _ASKED_AT_ONCE]
        where = f"uri IN ({', '.join(sql_string(encode_uri(path)) for path in some)})"
        row_ids = snapshot.row_ids(where)
        times = snapshot.column("indexed_at", row_ids)
        for row_id, record in snapshot.records(row_ids).items():
            found[record.uri] = max(found.get(record.uri, ""), times[row_id].isoformat())
    return found

"""What a memory already knows of a record, kept where a source says nothing about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revln.pipeline.photos import Encoded
from revln.store import Snapshot
from revln.store.rows import META_COLUMNS
from revln.store.words import sql_string
from revln.types import Candidate

__all__ = ["Remembered", "complete", "remembered_records"]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a record besides its pixels.

    Attributes:
        fingerprint: of the candidate that it was made from.
        texts: those from outside the file, then those found in it.
        label: its class.
        facts: see ``Candidate``.
    """

    fingerprint: str
    texts: tuple[str, ...]
    label: str | None
    facts: Mapping[str, Any]


def complete(batch: Sequence[Encoded], snapshot: Snapshot) -> list[Encoded]:
    """A batch whose records keep what their sources are silent about; of two with one id only the later is left.

    Args:
        batch: about to be stored.
        snapshot: the memory before that.
    """
    silent = [item.candidate.id for item in batch if _is_silent(item.candidate)]
    known = remembered_records(snapshot, silent)
    done: dict[str, Encoded] = {}
    for item in batch:
        candidate = item.candidate
        before = done.get(candidate.id)
        if before is not None:  # several sources of one run may know of a photo
            earlier = before.candidate
            known[candidate.id] = Remembered(earlier.fingerprint, before.texts, earlier.label, earlier.facts)
        if candidate.id in known:
            candidate = _merged(candidate, known[candidate.id])
        done[candidate.id] = dataclasses.replace(item, candidate=candidate)
    return list(done.values())


def remembered_records(snapshot: Snapshot, ids: Sequence[str]) -> dict[str, Remembered]:
    """What a memory knows of records by id; those that it does not hold are left out."""
    if not ids:
        return {}
    row_ids = snapshot.row_ids(f"id IN ({', '.join(map(sql_string, ids))})")
    fingerprints = snapshot.column("fingerprint", row_ids)
    return {
        record.id: Remembered(
            fingerprints[row_id],
            record.texts,
            record.label,
            {name: value for name, value in record.meta.items() if name not in META_COLUMNS},
        )
        for row_id, record in snapshot.records(row_ids).items()
    }


def _is_silent(candidate: Candidate) -> bool:
    return candidate.label is None or _says_nothing(candidate)


def _says_nothing(candidate: Candidate) -> bool:
    return candidate.texts is None and not candidate.facts


def _merged(candidate: Candidate, known: Remembered) -> Candidate:
    if candidate.label is None:
        candidate = dataclasses.replace(candidate, label=known.label)
    return _with_said(candidate, known) if _says_nothing(candidate) else candidate


def _with_said(candidate: Candidate, known: Remembered) -> Candidate:
    """The candidate with the texts and facts that were once said of it.

    The texts found in the file itself stand behind those, and may be others now; the fingerprint tells how many were
    said. Where it does not, all are kept.
    """
    said = known.fingerprint.split(":")[1:2]
    for texts in (known.texts, *(known.texts[:end] for end in range(len(known.texts))), None):
        trial = dataclasses.replace(candidate, texts=texts, facts=known.facts)
        if trial.fingerprint.split(":")[1:2] == said:
            return trial
    return dataclasses.replace(candidate, texts=known.texts, facts=known.facts)

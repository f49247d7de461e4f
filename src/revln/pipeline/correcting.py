"""Correcting what is said of a record, of which nothing else changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from revln.errors import QueryError, RecordNotFoundError
from revln.models import Model
from revln.store import RecordTable, Row
from revln.store.rows import record_from, rows_to_arrow, utc_now
from revln.store.schema import RECORD_COLUMNS
from revln.store.words import sql_string
from revln.types import Record

__all__ = ["correct"]


def correct(table: RecordTable, model: Model, record: str, texts: Sequence[str] | None, label: str | None) -> Record:
    """Gives a record other texts or another label; its arguments are those of ``Memory.correct``.

    Args:
        table: the records, at their latest version.
        model: the one in use.
        record: its id.
        texts: what is said of it from now on.
        label: its class from now on.

    Raises:
        QueryError: a record without a picture would be left without texts.
        RecordNotFoundError: there is no such record.
        MemoryStoreError: the memory cannot be written.
    """
    snapshot = table.snapshot
    row = next(iter(snapshot.rows(snapshot.row_ids(f"id = {sql_string(record)}")).values()), None)
    if row is None:
        raise RecordNotFoundError(record)
    if texts is not None:
        kept = tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
        if not kept and row.image_vector is None:
            raise QueryError("a record without a picture is nothing without a text: give one, or delete the record")
        row = dataclasses.replace(row, texts=kept, text_vectors=model.encode_texts(kept) if kept else None)
    corrected = _said(row, texts is not None, row.candidate.label if label is None else label.strip() or None)
    stored = rows_to_arrow([corrected], snapshot.manifest, utc_now())
    if not table.upsert_arrow(stored, encoder_id=model.id, insert=False).updated:
        raise RecordNotFoundError(record)  # another process has deleted it meanwhile
    return record_from(stored.select(list(RECORD_COLUMNS)).to_pylist()[0])


def _said(row: Row, texts_given: bool, label: str | None) -> Row:
    """The row with a candidate that says so, and the fingerprint that indexing knows it by from now on."""
    candidate = dataclasses.replace(row.candidate, texts=row.texts, label=label)
    # That of the file stays, since the file was not read; that of the texts does unless others were given.
    stored, new = ((row.fingerprint or "").split(":"), candidate.fingerprint.split(":"))
    parts = (stored[0], new[1] if texts_given or len(stored) < 3 else stored[1], new[2])
    return dataclasses.replace(row, candidate=candidate, fingerprint=":".join(parts))

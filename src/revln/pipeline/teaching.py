"""Teaching a memory one thing by hand."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from revln.errors import ImageError, QueryError
from revln.images import os_reason
from revln.models import Model
from revln.pipeline.merging import complete
from revln.pipeline.photos import encode_photo
from revln.store import RecordTable, Row, Snapshot
from revln.store.rows import META_COLUMNS, record_from, rows_to_arrow, utc_now
from revln.store.schema import RECORD_COLUMNS
from revln.store.words import encode_uri, sql_string
from revln.types import Candidate, Record, record_id

__all__ = ["teach"]

_BY_HAND = "manual"


def teach(
    table: RecordTable,
    model: Model,
    image: str | Path | None,
    texts: str | Sequence[str],
    label: str | None,
    source: str | None,
    question: str | None,
    answer: str | None,
) -> Record:
    """Adds a record; its arguments are those of ``Memory.add``.

    Args:
        table: the records, at their latest version.
        model: the one in use.
        image: the photo.
        texts: what is to be known.
        label: its class.
        source: under which it is kept.
        question: that was asked.
        answer: to the question.

    Raises:
        QueryError: there is nothing to add, or a question without an answer.
        ImageError: the image cannot be read.
        MemoryStoreError: the memory cannot be written.
    """
    given = [texts] if isinstance(texts, str) else texts
    kept = tuple(dict.fromkeys(text.strip() for text in given if text.strip()))
    label, asked, told = ((said or "").strip() or None for said in (label, question, answer))
    if (asked is None) != (told is None):
        raise QueryError("a question is taught with its answer: give both, or neither")
    if asked is not None and (kept or label):
        raise QueryError("a question and its answer are a record of their own: add texts and labels apart from them")
    if asked is not None and told is not None:
        row = _question(model, image, asked, told, source or _BY_HAND)
    elif image is not None:
        row = _photo(table.snapshot, model, Path(image), source, kept, label)
    elif kept:
        uri = record_id(source or _BY_HAND, "text", "\n".join(kept))
        candidate = Candidate(source or _BY_HAND, "text", uri, Path(uri), 0, 0, kept, label)
        row = Row(candidate, kept, text_vectors=model.encode_texts(kept))
    else:
        raise QueryError("nothing to add: give an image, a text, or both")
    stored = rows_to_arrow([row], table.snapshot.manifest, utc_now())
    table.upsert_arrow(stored, encoder_id=model.id)
    return record_from(stored.select(list(RECORD_COLUMNS)).to_pylist()[0])  # not read again: it may be gone already


def _question(model: Model, image: str | Path | None, question: str, answer: str, source: str) -> Row:
    """A question with its answer; about a photo, it is recalled by the photo's looks as well."""
    texts, facts = (f"{question} {answer}",), {"question": question, "answer": answer}
    # One record for each question about a photo, so that another answer replaces the first.
    number = int.from_bytes(hashlib.sha256(question.encode("utf-8", "surrogatepass")).digest()[:4], "big") >> 1
    if image is None:
        uri = record_id(source, "qa", question)
        candidate = Candidate(source, "qa", uri, Path(uri), 0, 0, texts, None, number, facts)
        return Row(candidate, texts, text_vectors=model.encode_texts(texts), extra=facts)
    path, status = _file(Path(image))
    facts["image"] = str(path)
    candidate = Candidate(source, "qa", str(path), path, status.st_size, status.st_mtime_ns, texts, None, number, facts)
    # What the photo says of itself is in the photo's own record.
    return dataclasses.replace(encode_photo(candidate, model.encoder), own_texts=()).row(model.encode_texts(texts))


def _photo(
    snapshot: Snapshot, model: Model, image: Path, source: str | None, texts: tuple[str, ...], label: str | None
) -> Row:
    """A photo with what is said of it now, as the record that it has, if it has one."""
    path, status = _file(image)
    where = f"uri = {sql_string(encode_uri(str(path)))} AND kind IN ('image', 'image_text') AND number = 0"
    if source is not None:
        where += f" AND source = {sql_string(source)}"
    held = next(iter(snapshot.records(snapshot.row_ids(where)).values()), None)
    said = Candidate(
        held.source if held else source or _BY_HAND,
        held.kind if held else "image",
        str(path),
        path,
        status.st_size,
        status.st_mtime_ns,
        texts or None,
        label,
    )
    if held is not None and texts:  # else ``complete`` keeps what the record has
        facts = {name: value for name, value in held.meta.items() if name not in META_COLUMNS}
        said = dataclasses.replace(said, facts=facts)
    (photo,) = complete([encode_photo(said, model.encoder)], snapshot)
    return photo.row(model.encode_texts(photo.texts))


def _file(image: Path) -> tuple[Path, os.stat_result]:
    path = Path(os.path.abspath(image))  # noqa: PTH100 - links stay as the user named them
    try:
        return path, path.stat()
    except OSError as error:
        raise ImageError(path, os_reason(error)) from error

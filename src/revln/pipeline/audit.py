"""Why a photo is found, or is not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from revln.errors import ImageError
from revln.images import IMAGE_SUFFIXES, PIXEL_LIMIT, content_hash
from revln.images.decode import byte_limit
from revln.images.files import read_file
from revln.retrieve import QueryVector, Searcher, compile_where
from revln.retrieve.scope import PHOTO_KINDS
from revln.sources.exclude import Exclusion
from revln.store import Snapshot
from revln.store.presence import is_gone
from revln.store.skips import Skip, read_skips
from revln.store.words import encode_uri, sql_string
from revln.types import Record

__all__ = ["AuditReport", "AuditedRecord", "Standing", "audit_file", "standing_of"]

_DEPTHS = (100, 1_000, 10_000)  # how far down the hits a record is looked for
_PIECE = re.compile(r"'(?:[^']|'')*'|\b(?:and|between)\b|[()]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AuditedRecord:
    """A record that the file has.

    Attributes:
        id: of the record.
        source: that it came from.
        kind: of the record.
        uri: where its file is.
        indexed_at: ISO 8601, UTC.
        is_changed: the file is not as it was then; ``None`` when there is no file to compare.
    """

    id: str
    source: str
    kind: str
    uri: str
    indexed_at: str
    is_changed: bool | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a record fares in a search.

    Attributes:
        rank: from 1; ``None`` when it is left out, or further down than ten thousand.
        score: cosine to the query; ``None`` when the record is left out.
        probability: that it is what the query asks for.
        is_matched: the probability is large enough to count as a match.
        left_out_by: the parts of the filter that it does not pass, or the kinds that were asked for.
    """

    rank: int | None
    score: float | None
    probability: float | None
    is_matched: bool
    left_out_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What is known about a file.

    Attributes:
        path: the file.
        exists: whether it is there.
        records: records of this path.
        copies: uris of records whose file had the same bytes.
        skips: why runs could not index it.
        excluded: why ``index`` passes it over, if it does.
        standing: how it fares in the search that was asked about.
        because: all of this as sentences.
    """

    path: str
    exists: bool
    records: tuple[AuditedRecord, ...]
    copies: tuple[str, ...]
    skips: tuple[Skip, ...]
    excluded: str | None
    standing: Standing | None
    because: tuple[str, ...]

    @property
    def is_found(self) -> bool:
        """Whether a search can find it; the one that was asked about, if one was."""
        return bool(self.records) and (self.standing is None or self.standing.rank is not None)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "found": self.is_found}


def audit_file(snapshot: Snapshot, file: Path) -> AuditReport:
    """What a memory knows about a file, without a search.

    Raises:
        MemoryStoreError: the memory cannot be read.
    """
    path = Path(os.path.abspath(file))  # noqa: PTH100 - records keep the names of links
    exists = not is_gone(str(path))
    records = tuple(_records(snapshot, path))
    excluded = None if records else _excluded(path)
    copies = tuple(uri for uri in _copies(snapshot, path) if uri != str(path))
    skips = tuple(skip for skip in read_skips(snapshot) if skip.path == str(path))
    report = AuditReport(str(path), exists, records, copies, skips, excluded, None, ())
    return _explained(report)


def standing_of(
    report: AuditReport, searcher: Searcher, query: QueryVector | None, text: str | None, where: str | None
) -> AuditReport:
    """The report with how the file's record fares in a search: its first as a photo, else its first.

    Args:
        report: of ``audit_file``.
        searcher: over the same memory.
        query: as a vector.
        text: its words.
        where: SQL filter of the search.

    Raises:
        QueryError: the filter does not work.
    """
    if not report.records:
        return report
    record = next((found for found in report.records if found.kind in PHOTO_KINDS), report.records[0])
    own = f"id = {sql_string(record.id)}"
    left_out = [f"--kind: it is of the kind {record.kind}"] if record.kind not in PHOTO_KINDS else []
    if where is not None and not len(searcher.view.row_ids(f"{own} AND ({compile_where(where)})")):
        parts = _conditions(where)
        failing = [part for part in parts if not len(searcher.view.row_ids(f"{own} AND ({compile_where(part)})"))]
        left_out += [f"--where: {part}" for part in failing or [where]]
    if left_out:
        return _explained(replace(report, standing=Standing(None, None, None, False, tuple(left_out))))
    (hit,) = searcher.search(query, text, k=1, where=own)
    rank = None
    for depth in _DEPTHS:
        hits = searcher.search(query, text, k=depth, where=where)
        rank = next((it.rank for it in hits if it.record.id == record.id), None)
        if rank is not None or len(hits) < depth:
            break
    matched = hit.probability >= searcher.matched_at
    return _explained(replace(report, standing=Standing(rank, hit.score, hit.probability, matched, ())))


def _records(snapshot: Snapshot, path: Path) -> Iterator[AuditedRecord]:
    row_ids = snapshot.row_ids(f"uri = {sql_string(encode_uri(str(path)))}")
    sizes, times = snapshot.column("size", row_ids), snapshot.column("mtime_ns", row_ids)
    try:
        status = path.stat()
    except OSError:
        status = None
    for row, record in snapshot.records(row_ids).items():
        changed = None if status is None else (status.st_size, status.st_mtime_ns) != (sizes[row], times[row])
        yield _audited(record, changed)


def _audited(record: Record, changed: bool | None) -> AuditedRecord:
    return AuditedRecord(
        record.id, record.source, record.kind, record.uri, str(record.meta.get("indexed_at", "")), changed
    )


def _copies(snapshot: Snapshot, path: Path) -> Sequence[str]:
    try:
        digest = content_hash(read_file(path, limit=byte_limit(PIXEL_LIMIT)))
    except ImageError:
        return []
    return sorted({uri for _, uri in snapshot.uris(f"content_hash = {sql_string(digest)}")})


def _excluded(path: Path) -> str | None:
    exclusion = Exclusion(())
    hidden = next((part for part in path.parts if exclusion.matches(part)), None)
    if hidden is not None:
        return f"{hidden} is hidden, or a name that systems keep for themselves"
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return f"{path.suffix or 'a name without a suffix'} is no kind of photo"
    return None


def _explained(report: AuditReport) -> AuditReport:
    return replace(report, because=tuple(_sentences(report)))


def _sentences(report: AuditReport) -> Iterator[str]:
    if not report.exists:
        yield "there is no such file"
    for record in report.records:
        yield f"it is in the memory as {record.id} ({record.kind} of {record.source}), indexed at {record.indexed_at}"
        if record.is_changed:
            yield "the file has changed since: index it again"
    for skip in report.skips:
        yield f"it was skipped at {skip.at} (source {skip.source}): {skip.reason}"
    if report.copies:
        yield f"the same bytes are in the memory as {', '.join(report.copies)}"
    if not report.records:
        if report.excluded:
            yield f"`revln index` leaves it out: {report.excluded}"
        elif report.exists and not report.skips:
            yield "it is not in the memory: index its folder, and look for an --exclude that it matches"
    if report.standing is not None:
        yield from _outcome(report.standing)


def _outcome(standing: Standing) -> Iterator[str]:
    for part in standing.left_out_by:
        yield f"the search leaves it out by {part}"
    if standing.rank is not None and standing.probability is not None:
        fits = "fits" if standing.is_matched else "does not fit well"
        yield f"the search finds it as number {standing.rank:,}; it {fits} ({100 * standing.probability:.0f} %)"
    elif not standing.left_out_by:
        yield f"the search finds {_DEPTHS[-1]:,} others first, or does not rank it at all"


def _conditions(where: str) -> list[str]:
    """The parts of a filter that are joined by AND at its top level."""
    parts, start, depth, between = [], 0, 0, False
    for found in _PIECE.finditer(where):
        piece = found.group().lower()
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "between":
            between = True
        elif piece == "and" and between:
            between = False
        elif piece == "and" and depth == 0:
            parts.append(where[start : found.start()].strip())
            start = found.end()
    # An OR at the top level binds weaker than AND: its parts alone decide nothing.
    top = re.sub(r"'(?:[^']|'')*'|\([^()]*\)", "", where)
    return [where] if re.search(r"\bor\b", top, re.IGNORECASE) else [*parts, where[start:].strip()]

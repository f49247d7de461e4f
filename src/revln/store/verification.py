"""Checks that a memory is what it promises to be, and mends what can be made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lance

from revln.errors import MemoryLockedError, MemoryStoreError, RevlnError
from revln.store.background import CALIBRATION_FILE
from revln.store.catalog import abandoned_builds, covering_segments, drop_abandoned_builds
from revln.store.failures import store_failures
from revln.store.lock import OWNER_FILE, lock_state, write_lock
from revln.store.manifest import MANIFEST_FILE, Manifest
from revln.store.scan import RecordScan
from revln.store.schema import TABLE_DIRECTORY, TEXT_COLUMN, record_schema
from revln.store.segment import SegmentFacts
from revln.store.skips import SKIPS_FILE
from revln.store.snapshot import Snapshot
from revln.store.upkeep import KEEP_VERSIONS, create_text_index, drop_derived, unused_vectors
from revln.store.vectors import VectorIndex
from revln.types import MODALITIES

__all__ = ["Check", "verify_store"]

_RESTORE = "restore the directory from a copy, or index the photos into a new memory"
_TEXT_INDEX = f"{TEXT_COLUMN}_idx"
_DATA = "data"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        check: what it is.
        ok: whether all is well.
        detail: what was found.
        repair: what was done about it, or what to do; ``None`` when all is well.
    """

    check: str
    ok: bool
    detail: str
    repair: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def verify_store(
    directory: Path, *, full: bool, repair: bool, progress: Callable[[int, int], None] | None = None
) -> list[Check]:
    """Checks a memory; see ``Memory.verify``.

    Args:
        directory: the memory.
        full: decode each thumb instead of some.
        repair: mend what is derived, and remove left-overs.
        progress: called with the records done and the records in all.

    Raises:
        MemoryStoreError: there is no memory at all, or it cannot be mended.
    """
    if not (directory / MANIFEST_FILE).exists():
        Manifest.load(directory)  # says that there is none
    try:
        snapshot = Snapshot.latest(directory)
    except MemoryStoreError as error:
        return [Check("manifest and table", False, str(error), _RESTORE)]
    checks = [_schema(snapshot)]
    if not checks[0].ok:
        return checks
    checks += _records(snapshot, full, progress)
    # The lock comes before what takes it, which removes the name that a dead writer left.
    mendable: list[tuple[Callable[[], Check], Callable[[], None]]] = [
        (lambda: _text_index(directory), lambda: _mend_text_index(directory)),
        (lambda: _vector_index(directory), lambda: drop_derived(directory)),
        (lambda: _lock(directory), lambda: (directory / OWNER_FILE).unlink(missing_ok=True)),
        (lambda: _left_overs(directory), lambda: _remove_left_overs(directory)),
    ]
    for look, mend in mendable:
        check = look()
        if repair and not check.ok:
            with store_failures(directory, "repair"):
                mend()
            again = look()
            check = replace(again, detail=check.detail, repair="repaired") if again.ok else again
        checks.append(check)
    return [*checks, _migration(snapshot)]


def _schema(snapshot: Snapshot) -> Check:
    manifest = snapshot.manifest
    actual = snapshot.dataset.schema
    expected = record_schema(manifest.dim, manifest.image_column, manifest.text_column)
    wrong = [field.name for field in expected if field.name not in actual.names or actual.field(field.name) != field]
    if manifest.previous:
        wrong += [name for name in manifest.previous.names if name not in actual.names]
    if wrong:
        detail = f"{MANIFEST_FILE} and the table differ in the columns {', '.join(wrong)}"
        return Check("manifest and table", False, detail, _RESTORE)
    return Check("manifest and table", True, f"format {manifest.format_version}, encoder {manifest.encoder_id}")


def _records(snapshot: Snapshot, full: bool, progress: Callable[[int, int], None] | None) -> list[Check]:
    scan = RecordScan(snapshot, full)
    scan.run(progress)
    again = "delete these records by id and index their files again"
    return [
        _finding("records readable", scan.unreadable, f"{scan.records:,} in {scan.fragments:,} fragments", _RESTORE),
        _finding("ids", scan.wrong_ids, "unique, and those of their files", _RESTORE),
        _finding("vectors", scan.wrong_vectors, f"{scan.vectors:,} of unit length", again),
        _finding("texts", scan.wrong_texts, "each has its vector", again),
        _finding("thumbs", scan.wrong_thumbs, f"{scan.thumbs:,} decoded", again),
    ]


def _finding(check: str, wrong: list[str], detail: str, way_out: str) -> Check:
    if not wrong:
        return Check(check, True, detail)
    more = f" and {len(wrong) - 5:,} more" if len(wrong) > 5 else ""
    return Check(check, False, "; ".join(wrong[:5]) + more, way_out)


def _text_index(directory: Path) -> Check:
    name = "full text index"
    try:
        with store_failures(directory, "search"):
            snapshot = Snapshot.latest(directory)
            if not snapshot.dataset.has_index:
                return Check(name, False, "there is none", "run with --repair")
            snapshot.full_text("a", 1)
            facts = snapshot.dataset.stats.index_stats(_TEXT_INDEX)
    except RevlnError as error:
        return Check(name, False, str(error), "run with --repair")
    late = int(facts.get("num_unindexed_rows", 0))
    rest = f", {late:,} more are scanned until the next upkeep" if late else ""
    return Check(name, True, f"holds {facts.get('num_indexed_rows', 0):,} records{rest}")


def _mend_text_index(directory: Path) -> None:
    with write_lock(directory):
        create_text_index(lance.dataset(directory / TABLE_DIRECTORY))


def _vector_index(directory: Path) -> Check:
    name = "vector index"
    try:
        snapshot = Snapshot.latest(directory)
        segments = [path for modality in MODALITIES for path in covering_segments(snapshot, modality)]
        for path in segments:
            SegmentFacts.read(path).verify(path)
        index = VectorIndex(snapshot)
    except RevlnError as error:
        return Check(name, False, str(error), "run with --repair")
    exact = sum(index.count_exact(modality) for modality in MODALITIES)
    found = sum(index.count(modality) for modality in MODALITIES)
    return Check(name, True, f"{found:,} vectors, {len(segments):,} segments, {exact:,} vectors searched exactly")


def _left_overs(directory: Path) -> Check:
    try:
        with _quiet_moment(directory) as dataset:
            left = [*_drafts(directory), *_orphans(directory, dataset), *abandoned_builds(directory)]
    except MemoryLockedError:
        return Check("left-overs", True, "not looked for while somebody writes")
    if not left:
        return Check("left-overs", True, "none")
    files = [file for path in left for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return Check("left-overs", False, f"{len(files):,} files of killed writers, {size:,.1f} MB", "run with --repair")


def _remove_left_overs(directory: Path) -> None:
    drop_abandoned_builds(directory)
    with _quiet_moment(directory) as dataset:
        for path in _drafts(directory):
            path.unlink(missing_ok=True)
        if _orphans(directory, dataset):
            dataset.cleanup_old_versions(older_than=KEEP_VERSIONS, delete_unverified=True)
        for path in _orphans(directory, dataset):  # those too young for Lance, which cannot know that nobody writes
            path.unlink(missing_ok=True)


@contextmanager
def _quiet_moment(directory: Path) -> Iterator[lance.LanceDataset]:
    """The latest version while nobody writes: what no version refers to now was left by a writer that was killed."""
    with write_lock(directory, timeout=1), store_failures(directory, "look into"):
        yield lance.dataset(directory / TABLE_DIRECTORY)


def _drafts(directory: Path) -> list[Path]:
    ours = [path for name in (MANIFEST_FILE, SKIPS_FILE, CALIBRATION_FILE) for path in directory.glob(f".{name}.*")]
    return [*ours, *(directory / TABLE_DIRECTORY).rglob(".tmp*")]  # the latter by Lance, on the way to a commit


def _orphans(directory: Path, dataset: lance.LanceDataset) -> list[Path]:
    """Data files of no version; those of an index are few and small, and Lance removes them at upkeep after a week."""
    used = set[str]()
    for version in dataset.versions():
        for fragment in dataset.checkout_version(version["version"]).get_fragments():
            used.update(file.path for file in fragment.data_files())
    data = directory / TABLE_DIRECTORY / _DATA
    return [path for path in data.iterdir() if path.name not in used] if data.is_dir() else []


def _lock(directory: Path) -> Check:
    state = lock_state(directory)
    if state.is_stale:
        detail = f"{state.owner} ended while it wrote; it holds nobody up"
        return Check("lock", False, detail, "run with --repair to remove its name")
    return Check("lock", True, f"held by {state.owner or 'another process'}" if state.held else "free")


def _migration(snapshot: Snapshot) -> Check:
    if names := unused_vectors(snapshot.dataset, snapshot.manifest):
        way = "end it with `revln memory migrate`, or drop it with `revln memory compact --drop-old`"
        return Check("migration", True, f"one has not ended ({', '.join(names)}): {way}")
    previous = snapshot.manifest.previous
    return Check("migration", True, f"rollback to {previous.encoder_id} is possible" if previous else "none under way")

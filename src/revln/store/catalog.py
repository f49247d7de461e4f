"""Which segments make up the vector index, and keeping them in step with the table.

The index lives in ``index/`` of a memory, one directory for each column of vectors, and can be deleted at any time:
what no segment covers is searched exactly. Upkeep is that of a log-structured merge tree (O'Neil et al., Acta
Informatica 1996). Rows are taken in when enough of them are uncovered; small segments are merged into larger ones, up
to a size that bounds the memory and the time of a merge; segments with many dead rows are built anew.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import lance
from filelock import FileLock, Timeout

from revln.errors import MemoryStoreError
from revln.store.building import DRAFT, build_segment, vector_file
from revln.store.failures import store_failures
from revln.store.segment import SegmentFacts
from revln.store.snapshot import Snapshot
from revln.types import MODALITIES, Modality

__all__ = [
    "INDEX_DIRECTORY",
    "IndexLimits",
    "abandoned_builds",
    "covering_segments",
    "drop_abandoned_builds",
    "drop_index",
    "index_directory",
    "keep_index",
]

INDEX_DIRECTORY = "index"
_CATALOG = "catalog.json"
_LOCK = "index.lock"
_GRACE_SECONDS = 60.0  # readers of an older version may still be about to open what no catalogue lists any more
_DROP_SECONDS = 10.0  # less than other writers wait for the memory, which may be locked meanwhile


@dataclass(frozen=True, slots=True)
class IndexLimits:
    """Sizes at which the index changes, in rows.

    Attributes:
        exact: memories up to this size have no index.
        uncovered: rows without a segment that are put up with.
        segment: largest segment.
        merged: segments of like size that are merged into one.
        dead: share of dead rows from which on a segment is built anew.
    """

    exact: int = 50_000
    uncovered: int = 8_192
    segment: int = 262_144
    merged: int = 4
    dead: float = 0.25


def index_directory(snapshot: Snapshot, modality: Modality) -> Path:
    """Where the segments over a modality's active vectors are."""
    return snapshot.directory / INDEX_DIRECTORY / snapshot.manifest.column(modality)


def covering_segments(snapshot: Snapshot, modality: Modality) -> list[Path]:
    """The segments that the catalogue lists; none when it is missing or damaged, since an index is never needed."""
    directory = index_directory(snapshot, modality)
    try:
        status = (directory / _CATALOG).stat()
        return list(_listed(directory, (status.st_mtime_ns, status.st_size, status.st_ino)))
    except (OSError, ValueError, TypeError):
        return []


@lru_cache(maxsize=16)  # every search asks, and the file hardly ever changes
def _listed(directory: Path, _state: tuple[int, int, int]) -> tuple[Path, ...]:
    names = json.loads((directory / _CATALOG).read_text(encoding="utf-8"))
    return tuple(directory / str(name) for name in names)


def keep_index(snapshot: Snapshot, text_dim: int | None, limits: IndexLimits | None = None) -> bool:
    """Brings the index in step with a version of the memory; returns whether anything was built.

    The write lock is not needed: segments are made beside the old ones, and the catalogue is replaced at once. When
    another process is at it already, that is left alone.

    Args:
        snapshot: the version.
        text_dim: leading dimensions that texts use; ``None`` for all.
        limits: see ``IndexLimits``.

    Raises:
        MemoryStoreError: the index cannot be written.
    """
    limits = limits or IndexLimits()
    if snapshot.count() <= limits.exact and not (snapshot.directory / INDEX_DIRECTORY).exists():
        return False
    root = snapshot.directory / INDEX_DIRECTORY
    with store_failures(snapshot.directory, "index"):
        root.mkdir(exist_ok=True)
        try:
            with FileLock(root / _LOCK, timeout=0):
                _drop_unused(snapshot)
                _remove(_drafts(root))
                built = [_keep(snapshot, modality, text_dim, limits) for modality in MODALITIES]
                return any(built)
        except Timeout:
            return False


def drop_index(directory: Path) -> None:
    """Removes the index of the memory at ``directory``; searches are exact until ``keep_index`` builds it anew.

    A process that is building it is waited for, within reason: it would put back vectors of an older version.
    """
    root = directory / INDEX_DIRECTORY
    if not root.is_dir():
        return
    lock = FileLock(root / _LOCK, timeout=_DROP_SECONDS)
    with suppress(OSError):  # which a timeout is, too
        lock.acquire()
    shutil.rmtree(root, ignore_errors=True)
    lock.release()


def abandoned_builds(directory: Path) -> list[Path]:
    """What killed builds left in the index of the memory at ``directory``; none while a build is under way."""
    root = directory / INDEX_DIRECTORY
    if not root.is_dir():
        return []
    try:
        with FileLock(root / _LOCK, timeout=0):
            return _drafts(root)
    except OSError:  # somebody builds, or nobody can tell since the directory may not be written
        return []


def drop_abandoned_builds(directory: Path) -> None:
    """Removes what ``abandoned_builds`` finds."""
    _remove(abandoned_builds(directory))


def _drafts(root: Path) -> list[Path]:
    """Files and directories that a build makes on its way, of the vectors in use and of the previous ones."""
    return [*root.glob(f"*/.{_CATALOG}.*"), *root.glob(f"*/{DRAFT}*")]


def _remove(drafts: Iterable[Path]) -> None:
    for path in drafts:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _drop_unused(snapshot: Snapshot) -> None:
    """Removes the index of vectors that a ``compact`` has dropped."""
    for path in (snapshot.directory / INDEX_DIRECTORY).iterdir():
        if path.is_dir() and path.name not in snapshot.dataset.schema.names:
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Fragment:
    """A fragment of the table, as far as the index is concerned."""

    handle: lance.LanceFragment
    file: str
    rows: int

    @property
    def id(self) -> int:
        return int(self.handle.fragment_id)


def _keep(snapshot: Snapshot, modality: Modality, text_dim: int | None, limits: IndexLimits) -> bool:
    directory = index_directory(snapshot, modality)
    directory.mkdir(exist_ok=True)
    fragments = {
        part.fragment_id: _Fragment(
            part, vector_file(snapshot, part, modality), part.physical_rows - part.num_deletions
        )
        for part in snapshot.dataset.get_fragments()
    }
    kept, freed = _sorted_out(covering_segments(snapshot, modality), fragments, limits)
    covered = {fragment for _, own in kept for fragment in own}
    waiting = [fragment for fragment in fragments.values() if fragment.id not in covered]
    due = sum(fragment.rows for fragment in waiting)
    if not freed and due < limits.uncovered:
        _clean(directory, [path.name for path, _ in kept])
        return False
    built: list[Path] = []
    for group in _grouped(waiting, limits.segment):
        made = build_segment(snapshot, [fragment.handle for fragment in group], modality, text_dim, directory)
        built.extend([] if made is None else [made])
        _publish(directory, [*(path for path, _ in kept), *built])
    for path in built:
        kept.append((path, SegmentFacts.read(path).fragments.keys()))
    while merge := _mergeable(kept, fragments, limits):
        own = [fragments[fragment] for _, part in merge for fragment in part if fragment in fragments]
        made = build_segment(snapshot, [fragment.handle for fragment in own], modality, text_dim, directory)
        kept = [entry for entry in kept if entry not in merge]
        if made is not None:
            kept.append((made, {fragment.id for fragment in own}))
        _publish(directory, [path for path, _ in kept], [path for path, _ in merge])
    _clean(directory, [path.name for path, _ in kept])
    return True


_Entry = tuple[Path, Iterable[int]]


def _sorted_out(
    paths: Sequence[Path], fragments: dict[int, _Fragment], limits: IndexLimits
) -> tuple[list[_Entry], bool]:
    """Segments worth keeping with the fragments that they cover, and whether others were given up."""
    kept: list[_Entry] = []
    for path in paths:
        try:
            facts = SegmentFacts.read(path)
        except MemoryStoreError:
            continue
        own = {
            number
            for number, (file, _) in facts.fragments.items()
            if number in fragments and fragments[number].file == file
        }
        alive = sum(fragments[number].rows for number in own)
        if alive >= (1 - limits.dead) * facts.rows:
            kept.append((path, own))
    return kept, len(kept) < len(paths)


def _grouped(fragments: Sequence[_Fragment], most: int) -> list[list[_Fragment]]:
    """Fragments in groups of up to ``most`` rows, in their order."""
    groups: list[list[_Fragment]] = []
    rows = most
    for fragment in sorted(fragments, key=lambda fragment: fragment.id):
        if rows + fragment.rows > most:
            groups.append([])
            rows = 0
        groups[-1].append(fragment)
        rows += fragment.rows
    return groups


def _mergeable(kept: Sequence[_Entry], fragments: dict[int, _Fragment], limits: IndexLimits) -> list[_Entry]:
    """Segments of like size, enough of them to be merged into one; none when there are not as many."""
    tiers: defaultdict[int, list[_Entry]] = defaultdict(list)
    for entry in kept:
        rows = sum(fragments[number].rows for number in entry[1] if number in fragments)
        if rows <= limits.segment // limits.merged:
            tier = 0
            while rows > limits.uncovered * limits.merged ** (tier + 1):
                tier += 1
            tiers[tier].append(entry)
    return next((entries[: limits.merged] for _, entries in sorted(tiers.items()) if len(entries) >= limits.merged), [])


def _publish(directory: Path, segments: Sequence[Path], replaced: Iterable[Path] = ()) -> None:
    """Replaces the catalogue, so that a reader sees the old one or the new one; grace begins for what is replaced."""
    for path in replaced:
        with suppress(OSError):
            os.utime(path)
    draft = directory / f".{_CATALOG}.{os.getpid()}"
    with draft.open("w", encoding="utf-8") as file:
        json.dump([path.name for path in segments], file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / _CATALOG)


def _clean(directory: Path, listed: Sequence[str]) -> None:
    """Removes segments that have been replaced for a while."""
    for path in directory.iterdir():
        if path.is_dir() and path.name not in listed and time.time() - path.stat().st_mtime > _GRACE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)

"""Records whose every value follows from their name and revision, so that a memory can be told right from wrong.

A revision is written for a whole group at once, hence a memory that shows a part of one is half-written.
"""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.errors import MemoryStoreError
from revln.models import Model
from revln.pipeline import Memory
from revln.store import RecordTable, Row, VectorIndex
from revln.store.catalog import IndexLimits
from revln.types import MODALITIES, Candidate, Embedding, Kind
from tiny_bundle import make_tiny_bundle

GROUP = 8
LIMITS = IndexLimits(exact=0, uncovered=32, segment=256, merged=2)
SOURCE = "photos"
TEXTS = ("red", "green", "blue", "red green", "green blue", "red sea", "blue sea", "red red blue")

Groups = dict[int, int]  # revision by group
Revisions = dict[int, int]  # revision by name


def make_other_bundle(directory: Path) -> Path:
    """A bundle whose vectors are wider than the tiny one's, and whose cosines are others."""
    return make_tiny_bundle(directory, name="other", dim=6, weights=(1, 2, 4))


def kind_of(name: int) -> Kind:
    """One record in eight is a text alone."""
    return "text" if name % GROUP == GROUP - 1 else "image"


def uri_of(name: int) -> str:
    """Where the record would be; there is no such file, so that migrations go by the thumbs."""
    return f"/nowhere/{name // GROUP}/{name % GROUP}.png"


def name_of(uri: str) -> int:
    """Inverse of ``uri_of``."""
    group, item = uri.removesuffix(".png").split("/")[-2:]
    return int(group) * GROUP + int(item)


def texts_of(name: int, revision: int) -> tuple[str, ...]:
    """None for the even names, one for most others."""
    if name % 2 == 0:
        return ()
    first = (name * 5 + revision * 3) % len(TEXTS)
    return (TEXTS[first], TEXTS[first - 1]) if name % GROUP == 3 else (TEXTS[first],)


def picture_of(name: int, revision: int) -> Image.Image | None:
    """Of one colour."""
    if kind_of(name) == "text":
        return None
    colour = np.random.default_rng((name, revision)).integers(0, 256, 3).tolist()
    return Image.new("RGB", (16, 16), tuple(colour))


def rows_of(revisions: Mapping[int, int], model: Model, *, noise: int = 0) -> list[Row]:
    """The records as they are stored.

    Args:
        revisions: by name.
        model: what embeds them.
        noise: bytes that make a thumb larger.
    """
    pictures = {name: picture_of(name, revision) for name, revision in revisions.items()}
    shown = {name: picture for name, picture in pictures.items() if picture is not None}
    images = dict(zip(shown, model.encode_images(list(shown.values())), strict=True))
    rows = []
    for name, revision in revisions.items():
        texts = texts_of(name, revision)
        uri = uri_of(name)
        rows.append(
            Row(
                Candidate(SOURCE, kind_of(name), uri, Path(uri), 1, revision, label=str(revision)),
                texts,
                content_hash="none",
                thumb=_webp(shown[name], noise) if name in shown else None,
                image_vector=images.get(name),
                text_vectors=model.encode_texts(texts) if texts else None,
            )
        )
    return rows


def _webp(picture: Image.Image, noise: int) -> bytes:
    stream = BytesIO()
    picture.save(stream, "WEBP", lossless=True)  # so that the thumb embeds as the picture does
    return stream.getvalue() + np.random.default_rng(0).bytes(noise)  # which decoders pass over


def ids_of(names: Iterable[int]) -> list[str]:
    """Record ids."""
    return [Candidate(SOURCE, kind_of(name), uri_of(name), Path(), 0, 0).id for name in names]


def names_in(groups: Iterable[int]) -> list[int]:
    """Names of the members."""
    return [group * GROUP + item for group in groups for item in range(GROUP)]


def expand(groups: Mapping[int, int]) -> Revisions:
    """Revision of each member."""
    return {name: revision for group, revision in groups.items() for name in names_in([group])}


def whole_groups(pairs: Iterable[tuple[str, str | None]]) -> Groups:
    """Revision of each group out of uris and labels; fails when one is there in part, or in two revisions."""
    members: dict[int, list[str | None]] = defaultdict(list)
    for uri, label in pairs:
        members[name_of(uri) // GROUP].append(label)
    torn = {group: labels for group, labels in members.items() if len(labels) != GROUP or len(set(labels)) != 1}
    assert not torn, f"half-written: {torn}"
    return {group: int(labels[0] or "") for group, labels in members.items()}


def stored_revisions(table: RecordTable) -> Revisions:
    """Revision of each record, which is there once."""
    found = table.refresh().dataset.to_table(columns=["uri", "label"]).to_pylist()
    revisions = {name_of(row["uri"]): int(row["label"]) for row in found}
    assert len(revisions) == len(found), "a record twice"
    return revisions


def cosines(rows: Sequence[Row], query: Embedding) -> dict[int, dict[str, float]]:
    """Best cosine of each record by modality, those that it has."""
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        own = found[name_of(row.candidate.uri)] = {}
        if row.image_vector is not None:
            own["image"] = float(row.image_vector @ query)
        if row.text_vectors is not None:
            own["text"] = float((row.text_vectors @ query).max())
    return found


def check_hits(found: Mapping[int, float], expected: Mapping[int, float], k: int, places: float = 1e-5) -> None:
    """Compares the names and scores of a search with all scores there are; equal scores may come in any order."""
    best = sorted(expected.values(), reverse=True)[:k]
    np.testing.assert_allclose(list(found.values()), best, atol=places)
    np.testing.assert_allclose(list(found.values()), [expected[name] for name in found], atol=places)


def check_vectors(memory: Memory, revisions: Mapping[int, int]) -> None:
    """Compares every vector that can be found with a plain computation; all lists of the index must be looked at."""
    snapshot = memory.table.refresh()
    index = VectorIndex(snapshot)
    names = {row: name_of(uri) for row, uri in snapshot.column("uri", snapshot.row_ids()).items()}
    rows = rows_of(revisions, memory.model)
    rng = np.random.default_rng(len(revisions))
    for modality in MODALITIES:
        for k in (12, 10_000):
            query = rng.standard_normal(memory.model.dim).astype(np.float32)
            query /= np.linalg.norm(query)
            expected = {name: own[modality] for name, own in cosines(rows, query).items() if modality in own}
            hits = index.search(query, k, modality)
            found = {names[row]: score for row, score in zip(hits.row_ids.tolist(), hits.scores.tolist(), strict=True)}
            assert len(found) == len(hits.row_ids) == min(k, len(expected))
            check_hits(found, expected, k)


def check_clean(path: Path) -> None:
    """Nothing is wrong with a memory but for what a killed writer leaves, which upkeep removes."""
    checks = Memory.open(path, create=False).verify(full=True, repair=True)
    assert [check for check in checks if not check.ok] == []
    assert {check.check for check in checks if check.repair == "repaired"} <= {"left-overs", "lock"}
    drafts = [str(draft.relative_to(path)) for draft in path.rglob(".*") if draft.is_file()]
    assert not drafts, drafts


class Scarcity:
    """A place where space can be made short.

    Attributes:
        home: directory for a memory.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def only(self, size: int) -> AbstractContextManager[None]:
        """Leaves room for some bytes inside the block."""
        raise NotImplementedError


class FullDisk(Scarcity):
    """A small disk of its own, which another file fills."""

    @contextmanager
    def only(self, size: int) -> Iterator[None]:
        filler = self.home.parent / "filler"
        facts = os.statvfs(self.home)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, facts.f_bavail * facts.f_frsize - size))
        try:
            yield
        finally:
            filler.unlink()


class ShortFiles(Scarcity):
    """The limit that the system sets on the size of a file."""

    @contextmanager
    def only(self, size: int) -> Iterator[None]:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def scarcity(kind: str, directory: Path) -> Iterator[Scarcity]:
    """``disk`` (which takes the right to mount) or ``file size``; skips the test where it cannot be had."""
    if os.name == "nt":
        pytest.skip("needs file size limits")
    directory.mkdir()
    if kind == "file size":
        yield ShortFiles(directory)
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(directory)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small disk")
    try:
        home = directory / "home"
        home.mkdir()
        yield FullDisk(home)
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def until_it_fits(place: Scarcity, work: Callable[[], object], check: Callable[[], None]) -> None:
    """Tries something with ever more room until it succeeds; each failure says why, and leaves all well."""
    failures, room = list[str](), 0
    while True:
        try:
            with place.only(room):
                work()
        except MemoryStoreError as error:
            failures.append(str(error))
        else:
            break
        check()
        room = 4 * room or 256
        assert room < 2**24
    assert failures, "there was room enough"
    assert [failure for failure in failures if "the disk is full: free some space" not in failure] == []
    check()

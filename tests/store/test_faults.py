"""Writers at the same time, and a disk that fills up, while records are written, indexed and compacted."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faulting_processes as processes
from faulting import (
    LIMITS,
    Scarcity,
    check_clean,
    check_vectors,
    expand,
    ids_of,
    kind_of,
    make_other_bundle,
    names_in,
    rows_of,
    scarcity,
    stored_revisions,
    texts_of,
    until_it_fits,
)
from revln.models import Model, load_model
from revln.pipeline import Memory
from revln.store.building import build_segment
from revln.store.catalog import drop_index, index_directory, keep_index
from revln.store.manifest import VectorColumns
from revln.store.migration import Migration


@pytest.fixture(params=["disk", "file size"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scarcity]:
    with scarcity(request.param, tmp_path / "small") as found:
        yield found


@pytest.fixture(autouse=True)
def _every_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revln.store.segment._PROBED", 1.0)


@pytest.mark.slow
def test_two_writers_of_different_records_at_once(tmp_path: Path, memory: Memory, tiny_bundle: Path) -> None:
    other = make_other_bundle(tmp_path / "other")
    memory.table.upsert(rows_of(expand({0: 1, 20: 2}), memory.model))
    writers = []
    for first in (0, 20):
        options = (first, first, first + 20, 40, "upsert,delete,index,upkeep,compact")
        writers.append(processes.start("write", memory.path, tiny_bundle, other, *options))
    for writer in writers:
        processes.go(writer)
    expected = {0: 1, 20: 2}
    for writer in writers:
        for told in _told(writer):
            for group, revision in told.get("changes", {}).items():
                expected.pop(int(group), None)
                if revision is not None:
                    expected[int(group)] = revision
    assert len(expected) > 4
    assert stored_revisions(memory.table) == expand(expected)
    check_vectors(memory, expand(expected))
    check_clean(memory.path)


def _told(writer: subprocess.Popen[str]) -> list[dict[str, Any]]:
    output, errors = writer.communicate(timeout=120)
    assert (writer.returncode, errors) == (0, "")
    return [json.loads(line) for line in output.splitlines()]


def test_two_migrations_at_once_end_as_one(memory: Memory, tiny_model: Model) -> None:
    memory.table.upsert(rows_of(expand({0: 1}), tiny_model))
    target = VectorColumns.of_encoder("other-1", 2)
    first, second = (Migration(Memory.open(memory.path).table, target) for _ in range(2))
    for migration in (first, second):  # the second one's records are done by now
        for rows in migration.pending():
            migration.store(rows, [np.ones(2, np.float32)] * len(rows), [None] * len(rows))
    assert first.switch()
    assert second.switch()
    manifest = memory.table.refresh().manifest
    assert manifest.active == target
    assert manifest.previous is not None  # else its vectors would be dropped
    assert manifest.previous.encoder_id == tiny_model.id
    assert {"image_vector", "text_vectors"} < set(memory.table.snapshot.dataset.schema.names)


def test_columns_that_another_migration_has_made_meanwhile(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Memory.open(memory.path).table
    late = table.refresh()
    target = VectorColumns.of_encoder("other-1", 2)
    Migration(memory.table, target)
    monkeypatch.setattr(table, "refresh", lambda: late)  # what it knows of the table is from before
    assert Migration(table, target).target == target


def test_an_index_that_is_being_built_is_dropped_when_it_is_done(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.table.upsert(rows_of(expand(dict.fromkeys(range(20), 1)), memory.model))
    begun = threading.Event()

    def build(*arguments: Any) -> Path | None:
        begun.set()
        time.sleep(0.1)
        return build_segment(*arguments)

    monkeypatch.setattr("revln.store.catalog.build_segment", build)
    with ThreadPoolExecutor() as pool:
        built = pool.submit(keep_index, memory.table.snapshot, None, LIMITS)
        begun.wait()
        drop_index(memory.path)
        assert built.result()
    assert not (memory.path / "index").exists()


def test_what_killed_processes_leave_is_removed(memory: Memory) -> None:
    memory.table.upsert(rows_of(expand(dict.fromkeys(range(20), 1)), memory.model))
    keep_index(memory.table.snapshot, None, LIMITS)
    index = index_directory(memory.table.snapshot, "image")
    drafts = [
        index / ".catalog.json.1",
        index / ".draft-1",
        memory.path / ".calibration.npz.1",
        memory.path / ".memory.json.1",
        memory.path / "records.lance" / "_versions" / ".tmpA1b2C3",
    ]
    for draft in drafts:
        draft.touch()
    found = {check.check: check for check in memory.verify()}
    assert found["left-overs"].detail.startswith("5 files of killed writers")
    check_clean(memory.path)
    assert not any(draft.exists() for draft in drafts)


def test_what_killed_builds_of_previous_vectors_leave_is_removed(memory: Memory, tmp_path: Path) -> None:
    memory.table.upsert(rows_of(expand(dict.fromkeys(range(20), 1)), memory.model))
    keep_index(memory.table.snapshot, None, LIMITS)
    index = index_directory(memory.table.snapshot, "image")
    memory.migrate(load_model(make_other_bundle(tmp_path / "other")))
    (index / ".draft-1").mkdir()
    (index / ".draft-1" / "codes").touch()
    (index / ".catalog.json.1").touch()
    found = {check.check: check for check in memory.verify()}
    assert found["left-overs"].detail.startswith("2 files of killed writers")
    (index / ".draft-2").mkdir()
    keep_index(memory.table.refresh(), None, LIMITS)
    assert list(index.glob(".*")) == []
    (index / ".draft-1").mkdir()
    (index / ".catalog.json.1").touch()
    check_clean(memory.path)
    assert list(index.glob(".*")) == []


@pytest.fixture
def confined(place: Scarcity, tiny_model: Model) -> Memory:
    """A memory of 10 groups on the small disk, in as many fragments, and with deleted records."""
    memory = Memory.open(place.home / "memory.revln", model=tiny_model)
    for group in range(10):
        memory.table.upsert(rows_of(expand({group: 1}), tiny_model, noise=1500))
    memory.delete(ids=ids_of(names_in([3])))
    return memory


KEPT = expand(dict.fromkeys((0, 1, 2, 4, 5, 6, 7, 8, 9), 1))


def test_no_room_for_new_records(place: Scarcity, confined: Memory) -> None:
    stored = KEPT
    rows = rows_of(expand({3: 2, 4: 2}), confined.model, noise=3000)

    def add() -> None:
        nonlocal stored
        confined.table.upsert(rows)
        stored = KEPT | expand({3: 2, 4: 2})

    until_it_fits(place, add, lambda: check(confined, stored))


def test_no_room_to_delete(place: Scarcity, confined: Memory) -> None:
    stored = KEPT

    def delete() -> None:
        nonlocal stored
        confined.delete(ids=ids_of(names_in([4])))
        stored = {name: revision for name, revision in KEPT.items() if name not in names_in([4])}

    until_it_fits(place, delete, lambda: check(confined, stored))


def test_no_room_for_the_index(place: Scarcity, confined: Memory) -> None:
    until_it_fits(place, lambda: keep_index(confined.table.refresh(), None, LIMITS), lambda: check(confined, KEPT))
    assert (confined.path / "index").exists()


def test_no_room_to_compact(place: Scarcity, confined: Memory) -> None:
    until_it_fits(place, lambda: confined.table.compact(timedelta(0), purge=True), lambda: check(confined, KEPT))
    assert confined.info().fragments == 1


def check(memory: Memory, stored: dict[int, int]) -> None:
    assert stored_revisions(memory.table) == stored
    check_vectors(memory, stored)
    assert len(memory.search("red", mode="text", kinds=["text"], k=99).hits) == sum(
        any("red" in text for text in texts_of(name, revision))
        for name, revision in stored.items()
        if kind_of(name) == "text"
    )
    check_clean(memory.path)

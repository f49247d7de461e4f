"""Writers that are killed, readers during migrations, and a disk that fills up while one goes on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import pytest

import faulting_processes as processes
from faulting import (
    GROUP,
    LIMITS,
    Groups,
    Scarcity,
    check_clean,
    check_vectors,
    expand,
    make_other_bundle,
    rows_of,
    scarcity,
    stored_revisions,
    until_it_fits,
    whole_groups,
)
from revln.models import Model, keep_bundle, load_model
from revln.pipeline import Memory
from revln.pipeline.upkeep import keep_derived
from revln.store.catalog import keep_index

KILLS = 50
CHECKED = 5  # every so many kills in full
GROUPS = 40
SECONDS = (0.05, 1.5)


@pytest.fixture(autouse=True)
def _exact_and_in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revln.store.segment._PROBED", 1.0)
    monkeypatch.setattr("revln.store.migration._BATCH_ROWS", 16)
    monkeypatch.setattr("revln.pipeline.migration._COMMIT_ROWS", 16)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_other_bundle(tmp_path_factory.mktemp("bundle") / "other"))


# --- kills


class Ledger:
    """What writers have said of a memory, hence what it has to hold."""

    def __init__(self, groups: Groups, encoder_id: str) -> None:
        self.groups = groups
        self.done: Counter[str] = Counter()
        self.interrupted: Counter[str] = Counter()
        self._encoder_id = encoder_id
        self._begun: str | None = None
        self._after = groups

    def read(self, lines: list[str]) -> None:
        """Takes in what a writer said until it was killed."""
        self._begun = None
        for told in map(json.loads, lines):
            if "begin" in told:
                self._begun = told["begin"]
                changed = self.groups | {int(group): revision for group, revision in told["changes"].items()}
                self._after = {group: revision for group, revision in changed.items() if revision is not None}
            else:
                self._begun = None
                self.done[told["done"]] += 1
                self._encoder_id = told["encoder"]
                self.groups = self._after
        self.interrupted[self._begun or "nothing"] += 1

    def settle(self, found: Groups, encoder_id: str) -> None:
        """Compares: what was begun has happened as a whole, or not at all."""
        assert found == self.groups or (self._begun and found == self._after)
        assert encoder_id == self._encoder_id or self._begun in {"migrate", "rollback"}
        self.groups, self._encoder_id = found, encoder_id


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="this system has no kill -9")
def test_a_writer_killed_at_any_moment(memory: Memory, tiny_bundle: Path, other: Model, tmp_path: Path) -> None:
    memory.table.upsert(rows_of(expand({0: 1, 1: 2}), memory.model))
    ledger = Ledger({0: 1, 1: 2}, memory.model.id)
    chance = random.Random(os.environ.get("REVLN_KILL_SEED", "5"))

    def writer(number: int) -> subprocess.Popen[str]:
        options = (chance.random(), 0, GROUPS, 0, "all")
        return processes.start("write", memory.path, tiny_bundle, other.bundle.directory, *options)

    with reading(memory.path, tiny_bundle, other, tmp_path), ExitStack() as killed:
        following = writer(0)
        for number in range(1, KILLS + 1):
            process, following = following, writer(number)  # which loads its modules while the other one works
            killed.callback(processes.kill, following)
            processes.go(process)
            time.sleep(chance.uniform(*SECONDS))
            process.kill()
            lines, errors = process.communicate(timeout=60)
            assert errors == ""
            ledger.read(lines.splitlines())
            snapshot = Memory.open(memory.path, create=False).table.snapshot
            ledger.settle(groups_in(snapshot.dataset), snapshot.manifest.encoder_id)
            if number % CHECKED == 0:
                check(memory, expand(ledger.groups))
    assert len(ledger.done) > 2, f"too slow to tell anything: {ledger.done}"
    assert len(ledger.interrupted) > 2, f"no kill came in the middle: {ledger.interrupted}"


@contextmanager
def reading(path: Path, bundle: Path, other: Model, tmp_path: Path) -> Iterator[None]:
    """A process that searches and reads all the while; fails with what was wrong for it."""
    flag = tmp_path / "enough"
    reader = processes.start("read", path, bundle, other.bundle.directory, flag)
    processes.go(reader)
    try:
        yield
    except BaseException:
        processes.kill(reader)
        raise
    assert processes.stop(reader, flag) > 10


def groups_in(dataset: lance.LanceDataset) -> Groups:
    table = dataset.to_table(columns=["uri", "label"])
    return whole_groups(zip(table["uri"].to_pylist(), table["label"].to_pylist(), strict=True))


def check(memory: Memory, stored: dict[int, int]) -> None:
    assert stored_revisions(memory.table) == stored
    check_vectors(memory, stored)
    check_clean(memory.path)


# --- readers during migrations


@pytest.mark.slow
def test_readers_see_one_encoder_during_migrations(
    memory: Memory, tiny_bundle: Path, other: Model, tmp_path: Path
) -> None:
    first = memory.model
    stored = expand(dict.fromkeys(range(20), 1))
    memory.table.upsert(rows_of(stored, first))
    keep_index(memory.table.refresh(), None, LIMITS)
    with reading(memory.path, tiny_bundle, other, tmp_path):
        for turn in range(2, 6):
            memory.migrate(other)
            stored |= expand({turn: turn})
            memory.table.upsert(rows_of(expand({turn: turn}), other))
            keep_index(memory.table.refresh(), None, LIMITS)
            assert memory.rollback().embedded >= GROUP
            if turn % 2:
                memory.table.compact(timedelta(minutes=1), drop_old=True)
    assert memory.model.id == first.id
    check(memory, stored)


def test_a_switch_between_the_two_things_that_a_reader_reads(
    memory: Memory, other: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.table.upsert(rows_of(expand({0: 1}), memory.model))
    reader = Memory.open(memory.path)
    opened = lance.dataset

    def open_just_before_the_switch(*arguments: Any, **options: Any) -> lance.LanceDataset:
        dataset = opened(*arguments, **options)
        monkeypatch.setattr("lance.dataset", opened)
        memory.migrate(other)
        return dataset

    monkeypatch.setattr("lance.dataset", open_just_before_the_switch)
    snapshot = reader.table.refresh()
    assert snapshot.manifest.encoder_id == other.id
    assert set(snapshot.manifest.active.names) < set(snapshot.dataset.schema.names)


def test_upkeep_with_the_model_of_before_a_migration(memory: Memory, other: Model) -> None:
    memory.table.upsert(rows_of(expand(dict.fromkeys(range(20), 1)), memory.model))
    keep_derived(memory.table, other)
    keep_derived(memory.table, memory.model)
    check_clean(memory.path)


# --- a full disk


@pytest.fixture(params=["disk", "file size"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scarcity]:
    with scarcity(request.param, tmp_path / "small") as found:
        yield found


def test_no_room_to_migrate(place: Scarcity, tiny_model: Model, other: Model) -> None:
    memory = Memory.open(place.home / "memory.revln", model=tiny_model)
    stored = expand(dict.fromkeys(range(8), 1))
    memory.table.upsert(rows_of(stored, tiny_model))
    keep_bundle(other.bundle)  # which lies elsewhere, on a disk with room
    until_it_fits(place, lambda: memory.migrate(other), lambda: check(memory, stored))
    assert memory.info().encoder_id == other.id
    until_it_fits(place, memory.rollback, lambda: check(memory, stored))
    assert memory.info().encoder_id == tiny_model.id

"""Processes that write to a memory, and read it, until they are killed or told to stop: ``faulting`` says what.

Run as ``python faulting_processes.py write|read MEMORY BUNDLE OTHER_BUNDLE OPTIONS``.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

import revln.pipeline.migration
import revln.store.migration
from faulting import LIMITS, Groups, cosines, expand, ids_of, name_of, names_in, rows_of, stored_revisions, whole_groups
from revln.models import Model, load_model
from revln.pipeline import Memory
from revln.store.catalog import keep_index
from revln.types import Record

OPERATIONS = {"upsert": 12, "delete": 5, "index": 4, "upkeep": 2, "compact": 3, "migrate": 2, "rollback": 2}
_OLD = timedelta(seconds=30)  # versions kept for readers; the usual hour would make verifying slow here
_PAUSE = 0.03  # between two looks of a reader, seconds: writers need a processor too
_COMMIT_ROWS = 40  # many commits of a migration to be killed in


def start(*arguments: object) -> subprocess.Popen[str]:
    """Starts a process, which begins when a line comes in."""
    command = [sys.executable, __file__, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def go(process: subprocess.Popen[str]) -> None:
    """Lets it begin as soon as it has loaded what it needs."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    process.stdin.write("go\n")
    process.stdin.flush()


def stop(process: subprocess.Popen[str], flag: Path) -> int:
    """Ends a reader, and returns how often it looked; fails with what went wrong for it."""
    flag.touch()
    looks, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return int(json.loads(looks)["looks"])


def kill(process: subprocess.Popen[str]) -> None:
    """Ends it in the middle, also when it has ended already."""
    process.kill()
    with process:  # waits for it, and closes its pipes
        pass


def say(**facts: object) -> None:
    """One line to whoever started the process."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class Writer:
    """Does what chance says, telling what it is about to do and what it has done."""

    def __init__(self, memory: Memory, models: tuple[Model, Model], chance: random.Random, groups: range) -> None:
        self._memory = memory
        self._models = models
        self._chance = chance
        self._groups = groups
        self._held: Groups = {
            name // 8: revision for name, revision in stored_revisions(memory.table).items() if name // 8 in groups
        }

    def run(self, operations: int | None, kinds: dict[str, int]) -> None:
        """Goes on until killed, or for some operations."""
        done = 0
        while operations is None or done < operations:
            (kind,) = self._chance.choices(list(kinds), list(kinds.values()))
            work: Callable[[], None] = getattr(self, f"_{kind}")
            work()
            done += 1

    def _tell(self, kind: str, work: Callable[[], Any], changes: dict[int, int | None] | None = None) -> None:
        say(begin=kind, changes=changes or {})
        work()
        say(done=kind, encoder=self._memory.table.snapshot.manifest.encoder_id)
        for group, revision in (changes or {}).items():
            self._held.pop(group, None)
            if revision is not None:
                self._held[group] = revision

    def _upsert(self) -> None:
        groups = self._chance.sample(self._groups, self._chance.randint(1, 4))
        changes = {group: self._chance.randrange(10**6) for group in groups}
        self._memory.table.refresh()
        model = self._memory.model
        rows = rows_of(expand(changes), model)
        self._tell("upsert", lambda: self._memory.table.upsert(rows, encoder_id=model.id), dict(changes))

    def _delete(self) -> None:
        if not self._held:
            return
        group = self._chance.choice(sorted(self._held))
        if self._chance.random() < 0.5:
            work = lambda: self._memory.delete(ids=ids_of(names_in([group])))  # noqa: E731
        else:
            work = lambda: self._memory.delete(where=f"label = '{self._held[group]}'")  # noqa: E731
        self._tell("delete", work, {group: None})

    def _index(self) -> None:
        self._tell("index", lambda: keep_index(self._memory.table.refresh(), None, LIMITS))

    def _upkeep(self) -> None:
        self._tell("upkeep", self._memory.keep_up)

    def _compact(self) -> None:
        drop_old = self._chance.random() < 0.5
        self._tell("compact", lambda: self._memory.table.compact(_OLD, drop_old=drop_old))

    def _migrate(self) -> None:
        used = self._memory.table.refresh().manifest.encoder_id
        other = next(model for model in self._models if model.id != used)
        self._tell("migrate", lambda: self._memory.migrate(other))

    def _rollback(self) -> None:
        if self._memory.table.refresh().manifest.previous is not None:
            self._tell("rollback", self._memory.rollback)


class Reader:
    """Looks at a memory, and fails when it sees what was never written."""

    def __init__(self, path: Path, models: tuple[Model, Model]) -> None:
        self._path = path
        self._models = models
        self._kept = Memory.open(path, create=False)
        self._queries = [(model, model.encode_texts(["red"])[0]) for model in models]
        self._expected: dict[tuple[int, int], list[list[float]]] = {}  # cosines of a record's vectors by each model

    def run(self, flag: Path) -> int:
        """Goes on until there is a file, and returns how often it looked."""
        looks = 0
        while not flag.exists():
            for memory in (self._kept, Memory.open(self._path, create=False)):
                self.look(memory)
                looks += 1
            time.sleep(_PAUSE)
        return looks

    def look(self, memory: Memory) -> None:
        """Searches, and reads."""
        table = memory.table.refresh().dataset.to_table(columns=["uri", "label"])
        whole_groups(zip(table["uri"].to_pylist(), table["label"].to_pylist(), strict=True))
        hits = memory.search("red", k=10_000, kinds=["image", "text"], knowledge=False).hits
        found = whole_groups((hit.record.uri, hit.record.label) for hit in hits)
        revisions = expand(found)
        new = {name: revision for name, revision in revisions.items() if (name, revision) not in self._expected}
        of_each = [cosines(rows_of(new, model), query) for model, query in self._queries]
        for name, revision in new.items():
            self._expected[name, revision] = [list(own[name].values()) for own in of_each]
        off = [[_distance(hit.score, cosines) for cosines in self._expected[_version(hit.record)]] for hit in hits]
        assert not hits or np.max(off, axis=0).min() < 1e-4, "scores of two encoders, or of none"
        words = memory.search("red", k=10_000, kinds=["image", "text"], mode="text").hits
        assert all("red" in " ".join(hit.record.texts) for hit in words)


def _version(record: Record) -> tuple[int, int]:
    return name_of(record.uri), int(record.label or "")


def _distance(score: float, cosines: list[float]) -> float:
    return min(abs(score - cosine) for cosine in cosines)


def main() -> None:
    """See the module."""
    role, path, *rest = sys.argv[1:]
    bundle, other, *options = rest
    models = (load_model(bundle), load_model(other))
    revln.store.migration._BATCH_ROWS = revln.pipeline.migration._COMMIT_ROWS = _COMMIT_ROWS
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    if role == "read":
        say(looks=Reader(Path(path), models).run(Path(options[0])))
        return
    seed, first, last, operations, kinds = options
    weights = {kind: weight for kind, weight in OPERATIONS.items() if kinds == "all" or kind in kinds.split(",")}
    memory = Memory.open(path, create=False)
    writer = Writer(memory, models, random.Random(seed), range(int(first), int(last)))
    writer.run(int(operations) or None, weights)


if __name__ == "__main__":
    main()

"""Any history of a memory against a dictionary and plain NumPy: the same records, scores and counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faulting import (
    GROUP,
    Revisions,
    check_clean,
    check_hits,
    check_vectors,
    cosines,
    ids_of,
    kind_of,
    make_other_bundle,
    name_of,
    rows_of,
    stored_revisions,
    texts_of,
)
from revln.errors import MemoryStoreError
from revln.models import Model, load_model
from revln.pipeline import Memory
from revln.store.catalog import IndexLimits, keep_index
from revln.types import Kind

LIMITS = IndexLimits(exact=0, uncovered=8, segment=64, merged=2)
NAMES = st.integers(0, 95)  # fewer than a memory learns a calibration of its own from
REVISIONS = st.integers(0, 4)
FILTERS = {
    None: lambda name, revision: True,
    "label = '1'": lambda name, revision: revision == 1,
    "label IN ('2', '3')": lambda name, revision: revision in {2, 3},
    "uri LIKE '/nowhere/1%'": lambda name, revision: str(name // GROUP).startswith("1"),
    "kind = 'text' OR NOT label < '4'": lambda name, revision: kind_of(name) == "text" or revision == 4,
    "label = 'none'": lambda name, revision: False,
}
KINDS: tuple[tuple[Kind, ...] | None, ...] = (None, ("image",), ("text",), ("image", "text"))


class History(RuleBasedStateMachine):
    """What may happen to a memory, in any order."""

    directory: Path
    models: tuple[Model, Model]
    runs = 0

    @initialize()
    def make(self) -> None:
        History.runs += 1
        self.path = self.directory / f"{History.runs}.revln"
        self.memory = Memory.open(self.path, model=self.models[0])
        self.reader = Memory.open(self.path)  # stays open all the time
        self.stored: Revisions = {}
        self.used, self.previous = self.models[0], None

    @rule(names=st.lists(NAMES, min_size=1, max_size=30), revision=REVISIONS)
    def upsert(self, names: list[int], revision: int) -> None:
        new = dict.fromkeys(names, revision)
        counts = self.memory.table.upsert(rows_of(new, self.used))
        known = len(new.keys() & self.stored.keys())
        assert (counts.added, counts.updated) == (len(new) - known, known)
        self.stored |= new

    @rule(names=st.lists(NAMES, max_size=12))
    def delete(self, names: list[int]) -> None:
        gone = self.stored.keys() & set(names)
        assert self.memory.delete(ids=ids_of(names)) == len(gone)
        self.stored = {name: revision for name, revision in self.stored.items() if name not in gone}

    @rule(where=st.sampled_from([where for where in FILTERS if where]))
    def delete_where(self, where: str) -> None:
        left = {name: revision for name, revision in self.stored.items() if not FILTERS[where](name, revision)}
        assert self.memory.delete(where=where) == len(self.stored) - len(left)
        self.stored = left

    @rule()
    def keep_index(self) -> None:
        keep_index(self.memory.table.refresh(), None, LIMITS)

    @rule()
    def upkeep(self) -> None:
        self.memory.keep_up()

    @rule(purge=st.booleans(), drop_old=st.booleans())
    def compact(self, purge: bool, drop_old: bool) -> None:
        self.memory.compact(purge=purge, drop_old=drop_old)
        if drop_old:
            self.previous = None

    @rule()
    def migrate(self) -> None:
        (other,) = (model for model in self.models if model is not self.used)
        report = self.memory.migrate(other)
        assert (report.records, report.without_picture) == (len(self.stored), ())
        self.used, self.previous = other, self.used

    @precondition(lambda self: self.previous)
    @rule()
    def rollback(self) -> None:
        assert self.memory.rollback().records == len(self.stored)
        self.used, self.previous = self.previous, self.used

    @precondition(lambda self: not self.previous)
    @rule()
    def rollback_to_nothing(self) -> None:
        with pytest.raises(MemoryStoreError, match="no vectors of an earlier model"):
            self.memory.rollback()

    @rule()
    def reopen(self) -> None:
        self.memory = Memory.open(self.path, create=False)

    @rule(
        seed=st.integers(0, 999),
        k=st.sampled_from([1, 5, 20, 500]),
        where=st.sampled_from(list(FILTERS)),
        kinds=st.sampled_from(KINDS),
    )
    def search(self, seed: int, k: int, where: str | None, kinds: tuple[Kind, ...] | None) -> None:
        query = np.random.default_rng(seed).standard_normal(self.used.dim).astype(np.float32)
        query /= np.linalg.norm(query)
        # The tiny model is as sure of a cosine with a text as of one with a picture.
        expected = {
            name: max(own.values())
            for name, own in cosines(rows_of(self.stored, self.used), query).items()
            if FILTERS[where](name, self.stored[name]) and kind_of(name) in (kinds or ("image",))
        }
        for memory in (self.memory, self.reader):
            hits = memory.search(vector=query, k=k, where=where, kinds=kinds).hits
            found = {name_of(hit.record.uri): hit.score for hit in hits}
            assert len(found) == len(hits) == min(k, len(expected))
            check_hits(found, expected, k)

    @rule(word=st.sampled_from(["red", "green", "sea", "none"]), where=st.sampled_from(list(FILTERS)))
    def search_words(self, word: str, where: str | None) -> None:
        for memory in (self.memory, self.reader):
            hits = memory.search(word, k=500, mode="text", where=where, kinds=["image", "text"]).hits
            assert {name_of(hit.record.uri) for hit in hits} == {
                name
                for name, revision in self.stored.items()
                if word in " ".join(texts_of(name, revision)).split() and FILTERS[where](name, revision)
            }

    @invariant()
    def holds_what_it_should(self) -> None:
        if not hasattr(self, "stored"):
            return
        assert stored_revisions(self.reader.table) == self.stored
        info = self.reader.info()
        assert info.encoder_id == self.reader.model.id == self.used.id
        assert info.records == len(self.stored)
        assert info.image_vectors == sum(kind_of(name) == "image" for name in self.stored)
        assert info.text_vectors == sum(len(texts_of(*record)) for record in self.stored.items())

    def teardown(self) -> None:
        if hasattr(self, "stored"):
            check_vectors(self.memory, self.stored)
            check_clean(self.path)


@pytest.mark.slow
def test_any_history(tmp_path: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revln.store.segment._PROBED", 1.0)  # every list, so that the result is exact
    monkeypatch.setattr("revln.store.upkeep._SMALL_FRAGMENTS", 8)
    monkeypatch.setattr("revln.store.migration._BATCH_ROWS", 16)
    monkeypatch.setattr("revln.pipeline.migration._COMMIT_ROWS", 16)
    History.directory, History.models = tmp_path, (tiny_model, load_model(make_other_bundle(tmp_path / "other")))
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

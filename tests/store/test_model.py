"""The table against a plain dictionary, over random writes: what Lance does with rows that move must not show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from revln.store import RecordTable, Row, VectorIndex

MakeRow = Callable[..., Row]
Model = dict[str, tuple[str, float]]  # label and direction by uri


def agree(table: RecordTable, index: VectorIndex, model: Model) -> None:
    snapshot = table.snapshot
    records = snapshot.records(snapshot.row_ids())
    assert {record.uri: record.label for record in records.values()} == {
        uri: label for uri, (label, _) in model.items()
    }
    assert len(snapshot.known()) == len(records) == snapshot.count() == len(model)
    for modality in ("image", "text"):
        matches = index.search(np.array([1, 0, 0, 0], np.float32), 1000, modality)
        scores = {
            records[row].uri: score
            for row, score in zip(matches.row_ids.tolist(), matches.scores.tolist(), strict=True)
        }
        assert scores == pytest.approx({uri: (1 + x * x) ** -0.5 for uri, (_, x) in model.items()}, abs=1e-6)
    for label in ("dog", "cat"):
        row_ids, _ = snapshot.full_text(label, 1000)
        expected = sorted(uri for uri, (has, _) in model.items() if has == label)
        assert sorted(records[row].uri for row in row_ids.tolist()) == expected


@pytest.mark.parametrize("seed", range(2))
def test_random_writes(table: RecordTable, make_row: MakeRow, seed: int) -> None:
    random = np.random.default_rng(seed)
    model: Model = {}
    index = VectorIndex(table.snapshot)

    def upsert() -> None:
        rows = []
        for number in random.choice(60, random.integers(1, 20), replace=False):
            uri, label, x = f"/a/{number}", str(random.choice(["dog", "cat"])), float(random.uniform(0, 3))
            rows.append(make_row(uri, (1.0, x), {"t": (0.0, 1.0), label: (1.0, x)}, label=label))
            model[uri] = (label, x)
        table.upsert(rows)

    def delete() -> None:
        for uri in [uri for uri in model if random.random() < 0.2]:
            del model[uri]
            table.delete(f"uri = '{uri}'")

    def relocate() -> None:
        old, new = ("/a", "/b") if random.random() < 0.5 else ("/b", "/a")
        for uri in [uri for uri in model if uri.startswith(old)]:
            value = model.pop(uri)
            model.setdefault(uri.replace(old, new), value)
        table.relocate(old, new)

    steps = [upsert, delete, relocate, table.upkeep, table.compact]
    for step in random.choice(len(steps), 30, p=[0.45, 0.15, 0.15, 0.1, 0.15]):
        steps[step]()
        index = index.refreshed(table.snapshot)
        agree(table, index, model)

"""Runs that are killed, and runs at the same time: the records end as one undisturbed run makes them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.models import Model
from revln.pipeline import Memory, index
from revln.store import VectorIndex

KILLS = 5
RUN = """
import sys
from pathlib import Path
import revln
import revln.pipeline.indexing as indexing

indexing._BATCH = 40  # many transactions to be killed in
memory = revln.Memory.open(sys.argv[1], model=sys.argv[3])
print("started", flush=True)
report = revln.index(sys.argv[2], memory=memory, captions=Path(sys.argv[2]).parent / "captions.csv")
print(report.added, report.updated, report.unchanged, len(report.skipped), flush=True)
"""


def make_folder(root: Path, number: int) -> Path:
    colours = np.random.default_rng(0).integers(0, 256, (number, 3))
    for place, colour in enumerate(colours.tolist()):
        folder = root / "photos" / str(place % 7)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), tuple(colour)).save(folder / f"{place}.png")
    rows = [f"{place}.png,{('red', 'a green', 'blue blue')[place % 3]} {place}" for place in range(0, number, 2)]
    (root / "captions.csv").write_text("\n".join(["image,caption", *rows]), encoding="utf-8")
    return root / "photos"


def run(memory: Path, folder: Path, bundle: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, memory, folder, bundle], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def content(memory: Memory) -> dict[str, tuple[object, ...]]:
    """Everything that a record is, by id, but for the time of its indexing."""
    snapshot = memory.table.refresh()
    columns = snapshot.dataset.to_table(
        columns=["id", "uri", "texts", "content_hash", "fingerprint", "thumb", "image_vector", "text_vectors"]
    ).to_pylist()
    found = {
        row["id"]: (row["uri"], tuple(row["texts"]), row["content_hash"], row["fingerprint"], row["thumb"],
                    tuple(row["image_vector"]), tuple(map(tuple, row["text_vectors"] or ())))
        for row in columns
    }  # fmt: skip
    assert len(found) == len(columns), "a photo twice"
    return found


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_a_run_killed_five_times_ends_as_an_undisturbed_one(
    tmp_path: Path, tiny_bundle: Path, tiny_model: Model
) -> None:
    folder = make_folder(tmp_path, 1500)
    undisturbed = Memory.open(tmp_path / "undisturbed", model=tiny_model)
    began = time.monotonic()
    index(folder, memory=undisturbed, captions=tmp_path / "captions.csv")
    length = time.monotonic() - began
    chance = random.Random(os.environ.get("REVLN_KILL_SEED", "5"))
    stored = [0]
    for _ in range(KILLS):
        process = run(tmp_path / "killed", folder, tiny_bundle)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n", process.communicate()[1]
        time.sleep(chance.uniform(0.0, 0.4) * length)
        process.kill()
        process.communicate()
        memory = Memory.open(tmp_path / "killed", create=False)
        stored.append(len(memory))
        assert stored[-1] >= stored[-2], "what was stored is lost"
        assert len(memory.search("red", k=10)) == min(10, stored[-1])
    assert any(0 < number < 1500 for number in stored), f"no kill came in the middle: {stored}"
    out, err = run(tmp_path / "killed", folder, tiny_bundle).communicate()
    assert out.split() == ["started", *map(str, (1500 - stored[-1], 0, stored[-1], 0))], err
    assert content(Memory.open(tmp_path / "killed")) == content(undisturbed)
    assert VectorIndex(Memory.open(tmp_path / "killed").table.snapshot).count("text") == 750


@pytest.mark.slow
def test_two_runs_at_once_end_with_each_photo_once(tmp_path: Path, tiny_bundle: Path, tiny_model: Model) -> None:
    folder = make_folder(tmp_path, 300)
    # The memory does not exist: the two race to make it as well.
    processes = [run(tmp_path / "memory", folder, tiny_bundle) for _ in range(2)]
    for process in processes:
        _, err = process.communicate()
        assert process.returncode == 0, err
    memory = Memory.open(tmp_path / "memory")
    assert len(content(memory)) == len(memory) == 300
    alone = Memory.open(tmp_path / "alone", model=tiny_model)
    index(folder, memory=alone, captions=tmp_path / "captions.csv")
    assert content(memory) == content(alone)

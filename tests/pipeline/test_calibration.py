"""Calibration that a memory learns from its own photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.pipeline import Memory
from revln.pipeline.calibration import learn_calibration
from revln.store import Row
from revln.store.background import CALIBRATION_FILE, Learned, sample_photos
from revln.types import Candidate

Fill = Callable[[int], None]


@pytest.fixture
def fill(memory: Memory) -> Fill:
    """Grows the memory to a number of reddish photos, every second with two captions, each with a fact beside it."""

    def row(number: int, random: np.random.Generator) -> Row:
        image, *texts = random.normal((3, 0, 0, 0), 1, (3, 4)).astype(np.float32)
        image, *texts = (vector / np.linalg.norm(vector) for vector in (image, *texts))
        captions = ("one", "two") if number % 2 else ()
        return Row(
            Candidate("files", "image", f"/{number}", Path(f"/{number}"), 1, 1),
            captions,
            image_vector=image,
            text_vectors=np.stack(texts) if captions else None,
        )

    def grow(records: int) -> None:
        random = np.random.default_rng(len(memory))
        memory.table.upsert([row(number, random) for number in range(len(memory), records)])

    return grow


def learn(memory: Memory) -> bool:
    return learn_calibration(memory.table.refresh(), memory.model.encoder.calibration)


def chance(memory: Memory) -> float:
    """Probability that two things with a cosine of 0.9 to "red" resemble each other, photo to photo."""
    query = np.array([1, 0, 0, 0], np.float32)
    return float(memory.searcher().calibration.probability(query, np.array([0.9], np.float32), "image", "image")[0])


def test_a_memory_learns_what_is_usual_in_it(memory: Memory, fill: Fill) -> None:
    before = chance(memory)
    fill(600)
    assert learn(memory)
    assert chance(memory) < before  # where all is red, being red is little likeness
    with_sentence = memory.searcher().calibration.probability(
        np.eye(4, dtype=np.float32)[0], np.array([0.6]), "text", "image"
    )
    assert with_sentence == pytest.approx([0.5], abs=1e-3)


def test_it_is_learnt_again_when_the_memory_has_changed_by_half(memory: Memory, fill: Fill) -> None:
    fill(99)
    assert not learn(memory)
    fill(200)
    assert learn(memory)
    fill(299)
    assert not learn(memory)
    fill(300)
    assert learn(memory)
    memory.delete(where="uri < '/25'")
    assert 100 < len(memory) < 150
    assert learn(memory)
    assert [path.name for path in memory.path.glob("*calibration*")] == [CALIBRATION_FILE]


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "foreign", "incomplete", "other shape"])
def test_a_file_that_cannot_be_used_is_passed_over_and_made_anew(memory: Memory, fill: Fill, damage: str) -> None:
    before = chance(memory)
    fill(200)
    learn(memory)
    path, encoder_id = memory.path / CALIBRATION_FILE, memory.model.id
    learned = Learned.load(memory.path, encoder_id)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "foreign":
        Learned("another-1", 200, learned.arrays).save(memory.path)
    elif damage == "incomplete":
        Learned(encoder_id, 200, {"line": np.zeros(0)}).save(memory.path)
    else:
        Learned(encoder_id, 200, {**learned.arrays, "image_mean": np.zeros(7, np.float32)}).save(memory.path)
    assert chance(memory) == before
    assert learn(memory)
    assert chance(memory) < before


def test_an_open_memory_sees_what_another_learns(memory: Memory, fill: Fill) -> None:
    fill(200)
    before = chance(memory)
    learn(Memory.open(memory.path))
    after = chance(memory)
    assert after < before
    fill(400)
    learn(Memory.open(memory.path))
    assert chance(memory) < after


def test_the_sample_joins_captions_to_their_photos(memory: Memory, fill: Fill) -> None:
    fill(50)
    memory.add(texts="a fact about red")
    snapshot = memory.table.refresh()
    sample = sample_photos(snapshot, 20)
    assert sample.images.shape == (20, 4)
    again = sample_photos(snapshot, 20)
    np.testing.assert_array_equal(sample.images, again.images)
    whole = sample_photos(snapshot, 1000)
    assert (whole.images.shape, whole.texts.shape) == ((50, 4), (50, 4))
    assert np.bincount(whole.owners, minlength=50).tolist() == [0, 2] * 25


def test_nothing_to_sample(memory: Memory) -> None:
    sample = sample_photos(memory.table.refresh(), 10)
    assert (sample.images.shape, sample.texts.shape, sample.owners.shape) == ((0, 4), (0, 4), (0,))

"""The pool of witnesses, by hand: powers of distributions, multiplied and normalised."""

from __future__ import annotations

import numpy as np
import pytest

from revln.answer import ClassificationSources, LabelSet, Neighbours, decide, fuse
from revln.answer.classify import vote
from revln.types import Hit, Record

LABELS = ("cat", "dog")
CAT, DOG = np.eye(2, dtype=np.float32)


def hit(label: str, score: float) -> Hit:
    record = Record(id=f"{label}{score}", source="s", kind="image", uri=f"/{label}.jpg", label=label)
    return Hit(rank=1, score=score, probability=0.5, record=record, fused_score=score)


def label_set(counts: tuple[int, int] = (10, 10), classes: np.ndarray | None = None) -> LabelSet:
    return LabelSet.make(LABELS, np.stack([CAT, DOG]), classes, counts)


def near(*hits: Hit) -> Neighbours:
    """Neighbours whose pictures lie at the angle of their score to ``CAT``."""
    scores = np.array([hit.score for hit in hits])
    return Neighbours(tuple(hits), np.stack([scores, np.sqrt(1 - scores**2)], axis=1).astype(np.float32))


def test_one_neighbour_votes_by_the_closed_form() -> None:
    votes = vote(LABELS, CAT, near(hit("cat", 0.6)))
    # k(x, n) = exp((0.6 - 1) / 1.2); the kernel of the neighbour with itself is 1, the ridge 0.05, the target 1 - 1/2.
    assert votes == pytest.approx(np.exp(-0.4 / 1.2) / 1.05 * np.array([[0.5, -0.5]]))


def test_the_same_picture_five_times_is_no_majority() -> None:
    once = vote(LABELS, CAT, near(hit("cat", 0.9), hit("dog", 0.3))).sum(axis=0)
    often = vote(LABELS, CAT, near(hit("cat", 0.9), *[hit("dog", 0.3)] * 5)).sum(axis=0)
    assert once.argmax() == often.argmax() == 0
    assert often[0] == pytest.approx(once[0], abs=0.05)


def test_each_witness_speaks_for_what_it_saw() -> None:
    classes = np.stack([DOG, CAT, CAT])  # the CNN's class 0 is a dog by name, 1 and 2 are cats
    sources = ClassificationSources.of(
        label_set(classes=classes), CAT, np.array([0.0, 9.0, 0.0], np.float32), near(hit("dog", 0.9), hit("dog", 0.7))
    )
    assert sources.memory is not None
    assert sources.memory[1] > 0.9
    assert sources.text is not None
    assert sources.classes is not None
    assert sources.text[0] > 0.99
    assert sources.classes[0] > 0.99
    for distribution in (sources.memory, sources.text, sources.classes):
        assert distribution.sum() == pytest.approx(1)


def test_without_neighbours_or_classes_they_are_silent() -> None:
    sources = ClassificationSources.of(label_set(), CAT, None, None)
    assert sources.memory is None
    assert sources.classes is None
    probabilities, memory_share = fuse(sources, label_set())
    assert memory_share == 0
    assert probabilities[0] > 0.5


def test_agreement_is_more_certain_than_dissent() -> None:
    for_cat, even = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    both = fuse(ClassificationSources(for_cat, for_cat, None), label_set())[0]
    one = fuse(ClassificationSources(for_cat, even, None), label_set())[0]
    against = fuse(ClassificationSources(for_cat, for_cat[::-1], None), label_set((10**6, 10**6)))[0]
    assert both[0] > one[0] > 0.5
    assert both.sum() == pytest.approx(1)
    assert against[0] > 0.5  # many labelled records have the greater say


def test_names_say_less_the_more_records_there_are() -> None:
    sources = ClassificationSources(np.array([0.9, 0.1]), np.array([0.1, 0.9]), None)
    shares = [fuse(sources, label_set((n, n)))[1] for n in (1, 5, 50, 500)]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(1 / 1.15)
    assert fuse(ClassificationSources(None, np.array([0.1, 0.9]), None), label_set((0, 0)))[1] == 0


def test_names_alone_are_taken_at_their_word() -> None:
    text = np.array([0.2, 0.8])
    assert fuse(ClassificationSources(None, text, None), label_set((0, 0)))[0] == pytest.approx(text, abs=1e-3)


def test_the_answer_rests_on_its_evidence_and_on_nothing_else() -> None:
    neighbours = near(hit("dog", 0.2), hit("cat", 0.7), hit("cat", 0.9))
    labels = label_set()
    answer = decide("/x.jpg", labels, ClassificationSources.of(labels, CAT, None, neighbours), neighbours)
    assert answer.text == "cat"
    assert [score.label for score in answer.labels] == ["cat", "dog"]
    assert answer.confidence == answer.labels[0].confidence
    assert sum(score.confidence for score in answer.labels) == pytest.approx(1)
    assert {evidence.hit.record.label for evidence in answer.evidence} == {"cat"}  # the dog does not speak for a cat
    assert all(evidence.weight > 0 for evidence in answer.evidence)
    assert sum(evidence.weight for evidence in answer.evidence) + answer.none_weight == pytest.approx(1)


def test_at_most_so_many_labels_are_listed() -> None:
    names = [f"label {number}" for number in range(9)]
    vectors = np.eye(9, dtype=np.float32)
    labels = LabelSet.make(names, vectors, None, [0] * 9)
    answer = decide("/x.jpg", labels, ClassificationSources.of(labels, vectors[4], None, None), None)
    assert answer.text == "label 4"
    assert len(answer.labels) == 5
    assert (answer.evidence, answer.none_weight) == ((), 1.0)

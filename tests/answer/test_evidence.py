from __future__ import annotations

import numpy as np
import pytest

from revln.answer import rests_on
from revln.types import Hit, Record

ENTRIES = np.array([-1, -1, 0, 0, 1, 1, 2])  # the photo, none, and the words of three texts


def hits(count: int) -> list[Hit]:
    records = [Record(id=str(number), source="s", kind="image", uri=f"/{number}.jpg") for number in range(count)]
    return [Hit(rank, 0.9, 0.5, record, 0.9, "text") for rank, record in enumerate(records, start=1)]


def test_weights_by_hand() -> None:
    looked = np.array([0.1, 0.2, 0.05, 0.05, 0.3, 0.1, 0.2], np.float32)
    evidence, none = rests_on(hits(3), looked, ENTRIES)
    assert [(own.hit.record.uri, pytest.approx(own.weight)) for own in evidence] == [
        ("/1.jpg", 0.4), ("/2.jpg", 0.2), ("/0.jpg", 0.1)
    ]  # fmt: skip
    assert none == pytest.approx(0.3)


def test_records_of_equal_weight_stay_in_their_order() -> None:
    evidence, _ = rests_on(hits(3), np.array([1, 1, 1, 1, 1, 1, 2], np.float32), ENTRIES)
    assert [own.hit.rank for own in evidence] == [1, 2, 3]


def test_attention_is_taken_as_shares() -> None:
    evidence, none = rests_on(hits(1), np.array([1, 0, 3], np.float32), np.array([-1, -1, 0]))
    assert (evidence[0].weight, none) == pytest.approx((0.75, 0.25))


def test_without_records_all_rests_on_the_photo() -> None:
    assert rests_on([], np.array([0.5, 0.5], np.float32), np.array([-1, -1])) == ((), 1.0)


def test_places_beyond_the_records_count_as_none() -> None:
    # Another photo of the batch has recalled more.
    evidence, none = rests_on(hits(1), np.array([1, 0, 1, 1, 0, 0, 1], np.float32), ENTRIES)
    assert (evidence[0].weight, none) == pytest.approx((0.5, 0.5))


def test_no_attention_at_all_is_none() -> None:
    evidence, none = rests_on(hits(1), np.zeros(3, np.float32), np.array([-1, -1, 0]))
    assert (evidence[0].weight, none) == (0.0, 1.0)


def test_the_weight_of_none_is_never_below_zero() -> None:
    rounded = np.array([0, 0, 0.1, 0.7, 0.1, 0.1, 0.2], np.float32)  # in binary their shares do not sum to one
    random = np.random.default_rng(0)
    for _ in range(100):
        _, none = rests_on(hits(3), rounded * random.random(7).astype(np.float32), ENTRIES)
        assert 0 <= none < 1e-6

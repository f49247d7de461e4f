"""What is recalled of an image along the first axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from revln.retrieve import Recollection, recall
from revln.store import RecordTable, Row, VectorIndex
from revln.types import Record

MakePhoto = Callable[..., Row]
IMAGE = np.array([1, 0], np.float32)


def at(cosine: float) -> tuple[float, float]:
    """Unit vector with this cosine to ``IMAGE``."""
    return cosine, (1 - cosine**2) ** 0.5


def encode_labels(labels: Sequence[str]) -> np.ndarray:
    """Labels have their cosine as their name."""
    return np.array([at(float(label)) for label in labels], np.float32)


class Chances:
    """Tells which vectors a probability was asked of."""

    def probability(self, query: np.ndarray, scores: np.ndarray, asked: str, stored: str) -> np.ndarray:
        assert asked == "image"
        return scores + (1 if stored == "image" else 2)


def recalled(
    table: RecordTable,
    k: int = 3,
    weights: tuple[float, float, float] = (1.0, 1.0, 0.0),
    question: np.ndarray | None = None,
    language: str = "en",
    excluded: Callable[[Record], bool] | None = None,
) -> Recollection:
    return recall(
        table.snapshot, VectorIndex(table.snapshot), Chances(), encode_labels, IMAGE,
        k=k, weights=weights, language=language, question=question, excluded=excluded,
    )  # fmt: skip


def uris(found: Recollection) -> list[str]:
    return [hit.record.uri for hit in found.hits]


def test_likenesses_by_hand(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([
        make_photo("/a", at(0.9), texts={"far": at(0.1), "a dog": at(0.4)}),
        make_photo("/b", at(0.8), texts={"a cat": at(0.7)}),
        make_photo("/c", at(0.2), texts={"a bird": at(0.3)}),
    ])  # fmt: skip
    found = recalled(table)
    assert [(hit.rank, hit.record.uri, hit.text) for hit in found.hits] == [
        (1, "/b", "a cat"), (2, "/a", "a dog"), (3, "/c", "a bird"),
    ]  # fmt: skip
    assert found.texts == ["a cat", "a dog", "a bird"]
    assert found.likenesses == pytest.approx(np.array([[0.8, 0.7, 0], [0.9, 0.4, 0], [0.2, 0.3, 0]]), abs=1e-6)
    assert [hit.score for hit in found.hits] == pytest.approx([0.8, 0.9, 0.2])


def test_the_weights_say_which_likeness_counts(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([
        make_photo("/looks", at(0.9), texts={"far": at(-0.5)}), make_photo("/fits", at(0.1), texts={"near": at(0.8)})
    ])  # fmt: skip
    assert uris(recalled(table, weights=(1.0, 0.1, 0.0))) == ["/looks", "/fits"]
    assert uris(recalled(table, weights=(0.1, 1.0, 0.0))) == ["/fits", "/looks"]


def test_a_text_alone_is_as_like_as_the_median_picture(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([
        make_photo("/a", at(0.9), texts={"a": at(0.1)}), make_photo("/b", at(0.5), texts={"b": at(0.2)}),
        make_photo("/c", at(0.1), texts={"c": at(0.3)}), make_photo("note", None, "text", texts={"d": at(0.45)}),
    ])  # fmt: skip
    found = recalled(table, k=2)
    assert uris(found) == ["/a", "note"]
    assert found.likenesses == pytest.approx(np.array([[0.9, 0.1, 0], [0.5, 0.45, 0]]), abs=1e-6)
    # The score of a record without a picture is that of its text, and so is what its chance is asked of.
    assert [hit.score for hit in found.hits] == pytest.approx([0.9, 0.45])
    assert [hit.probability for hit in found.hits] == pytest.approx([1.9, 2.45])


def test_texts_alone_are_neither_like_nor_unlike(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo("note", None, "text", texts={"a": at(0.3)})])
    assert recalled(table).likenesses == pytest.approx(np.array([[0, 0.3, 0]]), abs=1e-6)


def test_of_several_texts_one_in_the_language_is_chosen(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo("/a", at(0.9), texts={"a dog": at(0.8), "一只狗": at(0.4), "雪": at(0.3)})])
    assert recalled(table, language="en").texts == ["a dog"]
    found = recalled(table, language="zh")
    assert found.texts == ["一只狗"]
    assert found.likenesses[0, 1] == pytest.approx(0.4)


def test_a_text_in_another_language_is_better_than_none(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo("/a", at(0.9), texts={"far": at(0.1), "a dog": at(0.4)})])
    assert recalled(table, language="zh").texts == ["a dog"]


def test_a_label_speaks_where_there_is_no_text(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([
        make_photo("/a", at(0.9), label="0.6"), make_photo("/b", at(0.8), label="0.9", texts={"a dog": at(0.4)})
    ])  # fmt: skip
    found = recalled(table)
    assert found.texts == ["0.6", "a dog"]
    assert found.likenesses == pytest.approx(np.array([[0.9, 0.6, 0], [0.8, 0.4, 0]]), abs=1e-6)


def test_what_says_nothing_is_not_recalled(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo("/mute", at(1.0)), make_photo("/a", at(0.2), texts={"a": at(0.1)})])
    assert uris(recalled(table)) == ["/a"]


def test_mute_pictures_take_no_places(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo(f"/mute {number}", at(0.95)) for number in range(50)])
    table.upsert([make_photo(f"/far {number}", at(-0.9), texts={"far": at(0.5)}) for number in range(50)])
    table.upsert([make_photo("/taught", at(0.9), texts={"Ada": at(0.0)}), make_photo("/named", at(0.8), label="0.0")])
    assert uris(recalled(table, k=2)) == ["/taught", "/named"]


def test_excluded_records_take_no_places(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo(f"/{number}", at(number / 10), texts={"a": at(0.1)}) for number in range(10)])
    assert uris(recalled(table, k=2, excluded=lambda record: record.uri == "/9")) == ["/8", "/7"]
    assert uris(recalled(table, k=2, excluded=lambda record: True)) == []


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_to_recall(table: RecordTable, make_photo: MakePhoto, rows: int) -> None:
    if rows:
        table.upsert([make_photo(f"/{number}", at(0.5)) for number in range(rows)])
    found = recalled(table)
    assert (found.hits, found.texts, found.likenesses.shape) == ((), [], (0, 3))


def test_fewer_than_asked_for(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([make_photo("/a", at(0.5), texts={"a": at(0.1)}), make_photo("/b", at(0.4), texts={"b": at(0.1)})])
    assert uris(recalled(table, k=100)) == ["/a", "/b"]


def test_a_question_brings_up_what_is_said_about_it(table: RecordTable, make_photo: MakePhoto) -> None:
    """Though its picture is not among the nearest, and its text unlike the image."""
    answered = {"far": at(0.5), "what is its name? Ada": (0.0, -1.0)}
    table.upsert([make_photo(f"/{number}", at(0.9), texts={"a": at(0.8)}) for number in range(30)])
    table.upsert([make_photo("/ada", at(0.3), texts=answered)])
    question = np.array([0, -1], np.float32)
    assert "/ada" not in uris(recalled(table, k=2, weights=(1.0, 1.0, 2.0)))
    found = recalled(table, k=2, weights=(1.0, 1.0, 2.0), question=question)
    assert (found.hits[0].record.uri, found.texts[0]) == ("/ada", "what is its name? Ada")
    assert found.likenesses == pytest.approx(np.array([[0.3, 0, 1], [0.9, 0.8, -0.6]]), abs=1e-6)


def test_what_is_said_around(table: RecordTable, make_photo: MakePhoto) -> None:
    """Every text of the nearest pictures in the language, else in any; no labels and no questions."""
    table.upsert([
        make_photo("/a", at(0.9), texts={"a dog": at(0.1), "dogs": at(0.0), "一只狗": at(0.2)}),
        make_photo("/b", at(0.95), texts={"雪": at(0.1)}), make_photo("/c", at(0.5), label="0.3"),
        make_photo("/d", at(0.99), "qa", texts={"what is it? Ada": at(0.1)}),
        make_photo("note", None, "text", texts={"a note": at(0.9)}),
    ])  # fmt: skip
    found = recalled(table, k=1)
    assert [voice.text for voice in found.around] == ["雪", "a dog", "dogs"]
    snow, *dogs = (voice.part for voice in found.around)
    assert dogs == [pytest.approx((1 - snow) / 2)] * 2
    assert [voice.text for voice in recalled(table, k=1, language="zh").around] == ["雪", "一只狗"]


def test_what_fits_best_is_said_by_each_record(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert([
        make_photo("/a", at(0.2), texts={"a dog": at(0.7), "dogs": at(0.0)}),
        make_photo("/b", at(0.9), texts={"snow": at(0.6)}), make_photo("/c", at(0.5), label="0.3"),
        make_photo("note", None, "text", texts={"a note": at(0.5)}),
    ])  # fmt: skip
    parts = {voice.text: voice.part for voice in recalled(table, k=1).fitting}
    assert parts == {text: pytest.approx(np.exp(20 * fit) / sum(np.exp([14, 12, 10]))) for text, fit in (
        ("a dog", 0.7), ("snow", 0.6), ("a note", 0.5)
    )}  # fmt: skip


def test_the_nearest_count_most_around_but_copies_count_together(table: RecordTable, make_photo: MakePhoto) -> None:
    for number in range(4):
        table.upsert([make_photo(f"/copy {number}", at(0.9), texts={"a": at(0.1)})])
    table.upsert([make_photo("/other", (0.9, -at(0.9)[1]), texts={"b": at(0.1)})])
    table.upsert([make_photo("/far", at(0.2), texts={"c": at(0.1)})])
    parts: dict[str, float] = {}
    for own in recalled(table).around:
        parts[own.text] = parts.get(own.text, 0.0) + own.part
    assert sum(parts.values()) == pytest.approx(1)
    assert parts["c"] < parts["b"]
    assert parts["a"] < 2 * parts["b"]  # and not four times as much


def test_no_more_than_thirty_are_around(table: RecordTable, make_photo: MakePhoto) -> None:
    table.upsert(
        [make_photo(f"/{number}", at(0.9 - number / 100), texts={f"{number}": at(0.1)}) for number in range(40)]
    )
    assert [own.text for own in recalled(table, k=8).around] == [str(number) for number in range(30)]


def test_those_that_count_most_by_their_pictures(table: RecordTable, make_photo: MakePhoto) -> None:
    """Whether they are recalled or not: others are more alike, texts counted in."""
    table.upsert([make_photo(f"/{number}", at(0.5 + number / 100), texts={"a": at(0.9)}) for number in range(6)])
    table.upsert([make_photo("/alike", at(0.97), texts={"b": at(0.3)})])
    found = recalled(table, k=4)
    assert uris(found) == ["/5", "/4", "/3", "/2"]
    assert len(found.counting) == 4
    (hit, fit), *_ = found.counting
    assert (hit.record.uri, hit.rank, hit.score, hit.text, fit) == (
        "/alike",
        1,
        pytest.approx(0.97),
        "b",
        pytest.approx(0.3),
    )

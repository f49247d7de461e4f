from __future__ import annotations

import numpy as np
import pytest

from revln.metrics import mean_average_precision, recall_at, retrieval_recall

X, Y, Z = np.eye(3, dtype=np.float32)


def test_recall_counts_ranks_below_each_cut() -> None:
    assert recall_at(np.array([0, 0, 4, 5, 9, 10])) == {"R@1": 33.33, "R@5": 50.0, "R@10": 83.33}
    assert recall_at(np.array([1, 2]), cuts=(2,)) == {"R@2": 50.0}


def test_recall_of_a_hand_made_ranking() -> None:
    # Twelve images along twelve axes. Texts 0 to 9 find their own; text 10 leans to image 0 more than to its own,
    # text 11 has ten images before its own.
    images = np.eye(12, dtype=np.float32)
    texts = images.copy()
    texts[10, 0], texts[10, 10] = 0.9, 0.5
    texts[11, :10], texts[11, 11] = 0.5, 0.4
    recall = retrieval_recall(images, texts, np.arange(12))
    ten, eleven = round(1000 / 12, 2), round(1100 / 12, 2)
    assert recall["text_to_image"] == {"R@1": ten, "R@5": eleven, "R@10": eleven}
    # Image 10's best text has 0.5 and no other text has anything for it; image 11 likewise.
    assert recall["image_to_text"]["R@1"] == 100.0


def test_an_image_finds_its_texts_by_the_best_of_them() -> None:
    images = np.stack([X, Y])
    texts = np.stack([0.1 * X, 0.9 * X, 0.5 * X + 0.8 * Y, 0.95 * X])
    recall = retrieval_recall(images, texts, np.array([0, 0, 1, 1]))
    # Text 3 belongs to image 1 and is nearer to image 0 than any of its own texts: rank 1 of image 0.
    assert recall["image_to_text"] == {"R@1": 50.0, "R@5": 100.0, "R@10": 100.0}
    assert recall["text_to_image"]["R@1"] == 75.0


def test_ties_count_against() -> None:
    images = np.stack([X, X, Y])
    texts = np.stack([X, X, Y])
    recall = retrieval_recall(images, texts, np.arange(3))
    assert recall["text_to_image"]["R@1"] == recall["image_to_text"]["R@1"] == 33.33
    assert recall["text_to_image"]["R@5"] == 100.0


def test_vectors_that_are_no_numbers_find_nothing() -> None:
    images = np.eye(12, dtype=np.float32)
    nothing = np.full_like(images, np.nan)
    for recall in (retrieval_recall(images, nothing, np.arange(12)), retrieval_recall(nothing, images, np.arange(12))):
        assert recall["text_to_image"]["R@10"] == recall["image_to_text"]["R@10"] == 0.0


def test_an_image_without_texts_is_not_found() -> None:
    recall = retrieval_recall(np.stack([X, Y]), np.stack([X]), np.array([0]))
    assert recall["image_to_text"]["R@10"] == 50.0


def test_more_rows_than_a_block_holds() -> None:
    rows = np.random.default_rng(0).standard_normal((1500, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert retrieval_recall(rows, rows, np.arange(1500))["text_to_image"]["R@1"] == 100.0
    assert mean_average_precision(rows, rows, np.arange(1500), np.arange(1500)) == 100.0


def test_mean_average_precision_by_hand() -> None:
    stored = np.array([[1.0], [0.8], [0.6], [0.4]], np.float32)
    queries = np.ones((2, 1), np.float32)
    # Query of class 0: right at ranks 1 and 3: (1/1 + 2/3) / 2. Of class 1: right at ranks 2 and 4: (1/2 + 2/4) / 2.
    stored_classes = np.array([0, 1, 0, 1])
    wanted = 100 * ((1 + 2 / 3) / 2 + (1 / 2 + 2 / 4) / 2) / 2
    found = mean_average_precision(queries, stored, np.array([0, 1]), stored_classes)
    assert found == pytest.approx(wanted, abs=0.01)
    # Among the first two only: class 0 has 1/1, class 1 has 1/2.
    assert mean_average_precision(queries, stored, np.array([0, 1]), stored_classes, k=2) == 75.0
    assert mean_average_precision(queries, stored, np.array([7, 7]), stored_classes) == 0.0


def test_no_row_finds_itself_even_where_k_is_all_there_is() -> None:
    rows = np.stack([X, Y, Z])
    classes = np.arange(3)  # each is alone in its class
    assert mean_average_precision(rows, rows, classes, classes, exclude_self=True) == 0.0
    assert mean_average_precision(rows, rows, classes, classes) == 100.0
    # Rows 0 and 1 are of one class and have each other first; row 2 is alone.
    rows, classes = np.stack([X, 0.8 * X + 0.6 * Y, Z]), np.array([0, 0, 1])
    found = mean_average_precision(rows, rows, classes, classes, exclude_self=True)
    assert found == pytest.approx(100 * 2 / 3, abs=0.01)


def test_texts_that_say_the_same_describe_the_images_of_all_of_them() -> None:
    """Photos at X, at 0.6 X + 0.8 Y and at Y; the first two have one and the same caption."""
    images = np.stack([X, (0.6 * X + 0.8 * Y), Y]).astype(np.float32)
    texts = np.stack([X, X, Y])
    owners = np.arange(3)
    apart = retrieval_recall(images, texts, owners)
    assert apart["text_to_image"]["R@1"] == pytest.approx(66.67)
    together = retrieval_recall(images, texts, owners, np.array([0, 0, 1]))
    assert together["text_to_image"]["R@1"] == 100.0
    assert apart["image_to_text"]["R@1"] == pytest.approx(33.33)  # the first one's captions tie
    assert together["image_to_text"]["R@1"] == pytest.approx(66.67)  # the second one is nearer to Y

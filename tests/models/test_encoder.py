"""Vectors that a person can compute, whatever way they are asked for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.errors import ImageError
from revln.models import Model, load_model, map_ordered
from revln.models.vectors import unit_rows

RED, GREEN, BLUE, OTHER = np.eye(4, dtype=np.float32)


def test_vectors_by_hand(tiny_model: Model) -> None:
    images = [np.full((8, 8, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 9), (30, 40, 0))]
    assert np.allclose(tiny_model.encode_images(images), [RED, BLUE, [0.6, 0.8, 0, 0]], atol=1e-6)
    texts = tiny_model.encode_texts(["red", "blue blue", "red green", "a dog"])
    assert np.allclose(texts, [RED, BLUE, (RED + GREEN) / np.sqrt(2), OTHER], atol=1e-6)


def test_logits_are_ten_times_the_mean_colour(tiny_model: Model) -> None:
    (seen,) = tiny_model.look([np.full((8, 8, 3), (255, 0, 51), np.uint8)])
    assert seen.logits is not None
    assert np.allclose(seen.logits, [[10, 0, 2]], atol=1e-5)
    assert seen.embeddings.shape == (1, 4)


def test_every_way_to_give_an_image(tiny_model: Model, tmp_path: Path) -> None:
    red = Image.new("RGB", (20, 10), (255, 0, 0))
    red.save(tmp_path / "red.png")
    half = Image.new("RGBA", (20, 10), (255, 0, 0, 0))  # all transparent: white
    ways = [
        tmp_path / "red.png",
        str(tmp_path / "red.png"),
        red,
        red.convert("RGBA"),
        red.convert("P"),
        np.asarray(red),
    ]
    assert np.allclose(tiny_model.encode_images(ways), np.tile(RED, (6, 1)), atol=1e-3)
    white = np.array([1, 1, 1, 0]) / np.sqrt(3)
    greys = [half, Image.new("L", (9, 9), 77), np.full((5, 6), 200, np.uint8)]
    assert np.allclose(tiny_model.encode_images(greys), np.tile(white, (3, 1)), atol=1e-3)


def test_an_opened_image_is_turned_upright_as_its_file_is(tiny_bundle: Path, tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 6, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    model = load_model(tiny_bundle)
    transform, seen = model.encoder.transform, []

    def watch(rgb: Image.Image) -> np.ndarray:
        seen.append(rgb)
        return transform(rgb)

    watch.min_side = transform.min_side
    model.encoder.transform = watch
    with Image.open(tmp_path / "turned.png") as opened:
        model.encode_images([opened])
    assert seen[0].size == (10, 20)
    assert seen[0].getpixel((5, 2)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("shape", "kind"), [((4, 4, 3), np.float32), ((5,), np.uint8), ((0, 4, 3), np.uint8), ((4, 4, 7), np.uint8)]
)
def test_an_array_that_is_no_image_is_told(tiny_model: Model, shape: tuple[int, ...], kind: type) -> None:
    with pytest.raises(ImageError, match=r"not \[height, width, 3\]"):
        tiny_model.encode_images([np.zeros(shape, kind)])


def test_a_broken_image_in_a_list_is_named(tiny_model: Model, tmp_path: Path, photo_folder: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(ImageError, match=r"broken\.jpg: empty file"):
        tiny_model.encode_images([photo_folder / "red.png", tmp_path / "broken.jpg"])


def test_a_batch_is_what_its_images_are_one_by_one(tiny_model: Model) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (33, 16, 16, 3), dtype=np.uint8)
    together = tiny_model.encoder.encode_pixels(pixels)
    one_by_one = [tiny_model.encoder.encode_pixels(pixels[i : i + 1]) for i in range(33)]
    assert np.allclose(together.embeddings, np.concatenate([one.embeddings for one in one_by_one]), atol=1e-6)
    assert np.allclose(together.logits, np.concatenate([one.logits for one in one_by_one]), atol=1e-5)
    assert tiny_model.encoder.encode_pixels(pixels[:0]).embeddings.shape == (0, 4)


def test_sentences_of_mixed_length_keep_their_order(tiny_model: Model) -> None:
    words = np.random.default_rng(1).choice(["red", "green", "blue", "dog"], size=(300, 12))
    lengths = np.random.default_rng(2).integers(1, 13, 300)
    texts = [" ".join(row[:length]) for row, length in zip(words, lengths, strict=True)]
    together = tiny_model.encode_texts(texts)
    axes = {"red": RED, "green": GREEN, "blue": BLUE, "dog": OTHER}
    wanted = np.array([sum(axes[word] for word in text.split()) for text in texts])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.allclose(together, wanted, atol=1e-6)
    assert np.allclose(together, np.concatenate([tiny_model.encode_texts([text]) for text in texts]), atol=1e-6)


def test_nothing_to_encode(tiny_model: Model) -> None:
    assert tiny_model.encode_texts([]).shape == tiny_model.encode_images([]).shape == (0, 4)
    assert not tiny_model.encode_texts([""]).any()


def test_long_sentences_are_cut(tiny_model: Model) -> None:
    assert np.allclose(tiny_model.encode_texts(["red " * 16 + "blue " * 50]), RED, atol=1e-6)


def test_eight_threads_get_what_one_gets(tiny_bundle: Path) -> None:
    model = load_model(tiny_bundle)  # not opened yet, so that the threads race for it
    pixels = np.random.default_rng(3).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    texts = [f"{'red ' * (i % 5)}green {'blue ' * (i % 3)}" for i in range(64)]

    def both(i: int) -> tuple[np.ndarray, np.ndarray]:
        return model.encoder.encode_pixels(pixels[i : i + 1]).embeddings[0], model.encode_texts([texts[i]])[0]

    with ThreadPoolExecutor(8) as pool:
        images, sentences = map(np.array, zip(*pool.map(both, range(64)), strict=True))
    reference = load_model(tiny_bundle)
    assert np.array_equal(images, reference.encoder.encode_pixels(pixels).embeddings)
    assert np.allclose(sentences, reference.encode_texts(texts), atol=1e-6)


def test_class_names_are_the_mean_over_their_templates(tiny_model: Model) -> None:
    # "red" lies along red; "a photo of a red" has four other words: (1, 4) / sqrt(17).
    wanted = RED + (RED + 4 * OTHER) / np.sqrt(17)
    found = tiny_model.encode_names(["red"])
    assert np.allclose(found, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert np.allclose(tiny_model.class_vectors, tiny_model.encode_names(["red", "green", "blue"]))
    assert np.allclose(tiny_model.encode_names(["red_blue"]), tiny_model.encode_names(["red blue"]))


def test_what_is_no_number_becomes_zero() -> None:
    rows = np.array([[3, 4], [np.nan, 1], [np.inf, 1], [0, 0], [1e30, 0]], np.float32)
    assert unit_rows(rows).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 0], [0, 0], [0, 0]]


def test_map_ordered_keeps_the_order_and_reads_only_as_far_as_there_is_room() -> None:
    read = []

    def items():
        for item in range(10_000):
            read.append(item)
            yield item

    results = map_ordered(lambda item: item * item, items())
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(read) < 2000
    results.close()
    assert list(map_ordered(lambda item: -item, range(1000))) == [-item for item in range(1000)]


def test_map_ordered_hands_out_what_is_done_while_items_are_slow_to_come() -> None:
    read = []

    def items():
        for item in range(100):
            time.sleep(0.005)
            read.append(item)
            yield item

    results = map_ordered(lambda item: item, items())
    assert next(results) == 0
    assert len(read) < 20
    results.close()


def test_map_ordered_passes_errors_on() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    results = map_ordered(work, range(100))
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)

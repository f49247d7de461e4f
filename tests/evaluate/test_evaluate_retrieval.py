from __future__ import annotations

from pathlib import Path

import pytest

from revln.errors import CaptionFileError, ImageError, InputError
from revln.evaluate import evaluate_retrieval


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Right captions for red and green, a wrong one for blue."""
    path = tmp_path / "captions.csv"
    path.write_text(
        "image,caption\nred/red.png,red\nred/red.png,very red\ngreen/green.png,green\nblue/blue.png,green\n"
    )
    return path


def test_recall_by_hand(model, photos, captions) -> None:
    scores = evaluate_retrieval(photos, captions, model=model)
    # Red finds its own. Green's caption is tied with the same words of blue, and ties count against; blue's is wrong.
    assert scores.image_to_text == {"R@1": 33.33, "R@5": 100.0, "R@10": 100.0}
    # "red" and "very red" find red, "green" green; blue's "green" finds blue in the second or third place.
    assert scores.text_to_image == {"R@1": 75.0, "R@5": 100.0, "R@10": 100.0}
    assert (scores.images, scores.captions) == (3, 4)
    assert set(scores.to_dict()) == {"image_to_text", "text_to_image", "images", "captions"}


def test_a_split_takes_some_and_five_captions_at_most(model, photos, captions, tmp_path) -> None:
    with captions.open("a") as file:
        file.write("red/red.png,red again\n" * 7)
    split = tmp_path / "split.txt"
    split.write_text("red/red.png\ngreen/green.png\n")
    scores = evaluate_retrieval(photos, captions, model=model, split=split)
    assert (scores.images, scores.captions) == (2, 6)
    assert scores.text_to_image["R@1"] == 100.0


def test_progress_counts_images(model, photos, captions) -> None:
    seen: list[tuple[int, int]] = []
    evaluate_retrieval(photos, captions, model=model, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_images_are_found_by_name_below_the_folder(model, photos, tmp_path) -> None:
    captions = tmp_path / "by-name.csv"
    captions.write_text("image,caption\nval2014/red.png,red\ngreen.png,green\n")
    assert evaluate_retrieval(photos, captions, model=model).image_to_text["R@1"] == 100.0
    (photos / "other").mkdir()
    (photos / "other" / "red.png").write_bytes((photos / "red" / "red.png").read_bytes())
    with pytest.raises(InputError, match=r"val2014/red\.png is missing"):
        evaluate_retrieval(photos, captions, model=model)


def test_missing_images_are_named(model, photos, tmp_path) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\n" + "".join(f"no{number}.png,text\n" for number in range(7)))
    with pytest.raises(InputError, match=r"no0\.png, no1\.png, .* and 2 more are missing"):
        evaluate_retrieval(photos, captions, model=model)
    with pytest.raises(InputError, match="no such folder"):
        evaluate_retrieval(tmp_path / "nowhere", captions, model=model)


def test_a_split_of_other_captions(model, photos, captions, tmp_path) -> None:
    split = tmp_path / "split.txt"
    split.write_text("red/red.png\nother.png\n")
    with pytest.raises(CaptionFileError, match=r"split\.txt: other\.png is not in the caption file"):
        evaluate_retrieval(photos, captions, model=model, split=split)


def test_a_damaged_image_is_named(model, photos, captions) -> None:
    (photos / "green" / "green.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"green\.png"):
        evaluate_retrieval(photos, captions, model=model)

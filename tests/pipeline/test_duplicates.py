"""Versions of the sample photos are found, and told from photos that only look alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import revln
from faulting import scarcity
from revln.errors import MemoryStoreError, QueryError, RecordNotFoundError
from revln.models import Model
from revln.pipeline import Memory, index
from revln.pipeline.fingerprints import SAME_PICTURE, distance, fingerprint

SAMPLES = Path(revln.__file__).parent / "samples"
PHOTOS = sorted(path for path in SAMPLES.rglob("*") if path.suffix in {".jpg", ".png", ".webp"})


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((int(left * width), int(top * height), int(right * width), int(bottom * height)))


def versions(image: Image.Image) -> dict[str, Image.Image]:
    return {
        "resized": image.resize((image.width // 2, image.height // 2)),
        "brighter": ImageEnhance.Brightness(image).enhance(1.15),
        "cropped": cropped(image, 0.04, 0.04, 0.96, 0.96),
        "cropped at a side": cropped(image, 0.0, 0.0, 0.94, 1.0),
        "grey": image.convert("L").convert("RGB"),
    }


def test_versions_of_a_picture_have_like_fingerprints_and_other_pictures_have_not() -> None:
    images = {path.name: Image.open(path).convert("RGB") for path in PHOTOS}
    prints = {name: fingerprint(image) for name, image in images.items()}
    for name, image in images.items():
        for change, version in versions(image).items():
            assert distance(prints[name], fingerprint(version)) <= SAME_PICTURE, f"{name} {change}"
    names = list(images)
    apart = [distance(prints[one], prints[two]) for place, one in enumerate(names) for two in names[:place]]
    assert min(apart) > 1.5 * SAME_PICTURE


def test_a_scene_taken_twice_is_not_the_same_picture() -> None:
    for path in PHOTOS[:10]:  # the camera moved by a sixth and zoomed in between
        image = Image.open(path).convert("RGB")
        moved = cropped(image, 0.17, 0.1, 1.0, 0.9)
        assert distance(fingerprint(image), fingerprint(moved)) > SAME_PICTURE, path.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos with copies of them."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in PHOTOS[:6]:
        shutil.copy(path, photos)
    shutil.copy(PHOTOS[0], photos / "copy.jpg")
    image = Image.open(PHOTOS[1]).convert("RGB")
    image.resize((image.width // 2, image.height // 2)).save(photos / "small.jpg", quality=60)
    cropped(image, 0.03, 0.03, 0.97, 0.97).save(photos / "cut.jpg", quality=80)
    image.resize((image.width * 2, image.height * 2)).save(photos / "large.png")
    return photos


def groups(memory: Memory, **options) -> list[tuple[str, list[str]]]:
    report = memory.duplicates(**options)
    return sorted((group.kind, [Path(it.uri).name for it in group.records]) for group in report.groups)


def test_exact_and_near_duplicates(tmp_path: Path, folder: Path) -> None:
    memory = Memory.open(tmp_path / "m", model="base")
    index(folder, memory=memory)
    exact = ("exact", sorted(["copy.jpg", PHOTOS[0].name]))
    assert groups(memory) == [exact]
    seen = []
    found = groups(memory, near=True, progress=lambda done, total: seen.append((done, total)))
    assert found[0] == exact
    ((kind, names),) = found[1:]
    assert kind == "near"
    assert names[0] == "large.png"  # the most pixels
    assert set(names) == {"large.png", "small.jpg", "cut.jpg", PHOTOS[1].name}
    assert seen[-1][0] == seen[-1][1] == 9  # of two copies one takes part
    report = memory.duplicates(near=True).to_dict()
    assert report["groups"][0]["keep"] == str(folder / "large.png")
    assert set(report["groups"][0]["records"][0]) == {"id", "uri", "width", "height", "size"}


def test_look_alikes_are_told_apart(memory: Memory, tmp_path: Path) -> None:
    """Of one mean colour, hence of one tiny vector: a picture and its mirror image."""
    folder = tmp_path / "p"
    folder.mkdir()
    image = Image.open(PHOTOS[3]).convert("RGB").resize((320, 240))
    image.save(folder / "one.png")
    image.save(folder / "again.jpg", quality=90)
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirror.png")
    index(folder, memory=memory)
    assert [len(names) for _, names in groups(memory, near=True)] == [2]
    report = memory.duplicates(near=True)
    assert report.look_alikes
    for pair in report.look_alikes:
        assert "mirror.png" in {Path(it.uri).name for it in pair.records}
        assert pair.distance > SAME_PICTURE
        assert pair.to_dict()["verdict"] == "similar"


def test_duplicates_of_one_photo(memory: Memory, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    image = Image.open(PHOTOS[3]).convert("RGB").resize((320, 240))
    image.save(folder / "one.png")
    shutil.copy(folder / "one.png", folder / "copy.png")
    image.save(folder / "again.jpg", quality=90)
    image.resize((160, 120)).save(folder / "small.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirror.png")  # of the same tiny vector
    index(folder, memory=memory)
    ids = {Path(uri).name: record for record, uri in memory.table.snapshot.uris()}
    memory.add(image=folder / "one.png", source="other")
    memory.add(image=folder / "one.png", question="what?", answer="x")

    def found(name: str, **options) -> list[tuple[str, str]]:
        return [(it.kind, Path(it.picture.uri).name) for it in memory.duplicates_of(ids[name], **options)]

    assert found("one.png") == [("exact", "copy.png"), ("near", "again.jpg"), ("near", "small.png")]
    assert [kind for kind, _ in found("small.png")] == ["near"] * 4  # of one file there are records in two sources
    assert found("mirror.png") == []
    assert [kind for kind, _ in found("one.png", k=1)] in (["exact"], [])  # one that is as near may come before it
    for it in memory.duplicates_of(ids["one.png"]):
        assert it.distance <= SAME_PICTURE
        assert it.score == pytest.approx(1, abs=0.01)
        assert set(it.to_dict()) == {"kind", "score", "distance", "id", "uri", "width", "height", "size"}


def test_duplicates_of_one_photo_are_those_of_the_whole_memory(tmp_path: Path, folder: Path) -> None:
    memory = Memory.open(tmp_path / "m", model="base")
    index(folder, memory=memory)
    for group in memory.duplicates(near=True).groups:
        for picture in group.records:
            others = {it.picture for it in memory.duplicates_of(picture.id)}
            assert others == set(group.records) - {picture}


def test_what_is_no_photo_has_no_duplicates(filled: Memory, photo_folder: Path) -> None:
    answer = filled.add(image=photo_folder / "red.png", question="what?", answer="a wall")
    text = filled.add(texts=["red"])
    assert filled.duplicates_of(answer.id) == filled.duplicates_of(text.id) == ()
    with pytest.raises(RecordNotFoundError):
        filled.duplicates_of("0" * 20)
    with pytest.raises(QueryError, match="k is 0"):
        filled.duplicates_of(text.id, k=0)


def test_only_the_nearest_are_looked_at(filled: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    thumbs = type(filled.table.snapshot).thumbs
    monkeypatch.setattr(
        "revln.store.Snapshot.thumbs", lambda self, rows: looked.extend(rows.tolist()) or thumbs(self, rows)
    )
    (row,) = filled.table.snapshot.row_ids("uri LIKE '%orange%'")
    filled.duplicates_of(filled.table.snapshot.column("id", np.array([row]))[row], k=1)
    assert len(looked) == len(set(looked)) == 2
    assert row in looked


def test_many_photos_go_through_in_blocks(filled: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = filled.duplicates(near=True, threshold=0.5).to_dict()
    monkeypatch.setattr("revln.pipeline.duplicates._BLOCK", 1)
    blocks = filled.duplicates(near=True, threshold=0.5).to_dict()
    assert whole["groups"] == blocks["groups"]
    assert whole["look_alikes"] == blocks["look_alikes"]


def test_one_file_under_two_sources_is_no_duplicate(filled: Memory, photo_folder: Path) -> None:
    filled.add(image=photo_folder / "red.png", source="other")
    assert filled.duplicates().groups == ()


def test_an_empty_memory_and_a_threshold_out_of_range(memory: Memory, tiny_model: Model) -> None:
    assert memory.duplicates(near=True).to_dict()["groups"] == []
    for threshold in (0.1, 1.1, float("nan")):
        with pytest.raises(QueryError, match="the threshold is"):
            memory.duplicates(near=True, threshold=threshold)


def test_no_room_for_temporary_files(filled: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        scarcity("file size", tmp_path / "small") as place,
        pytest.raises(MemoryStoreError, match="File too large: free some space, or name another folder with TMPDIR"),
        place.only(16),
    ):
        filled.duplicates(near=True)
    assert filled.duplicates(near=True).groups
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(MemoryStoreError, match="No such file or directory"):
        filled.duplicates(near=True)

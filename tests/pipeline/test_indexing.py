"""What a run of indexing adds, updates, skips and prunes."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from revln.errors import CaptionFileError, InputError
from revln.pipeline import Memory, index
from revln.types import Candidate, IndexReport

MakePhoto = Callable[..., Path]


def counts(report: IndexReport) -> tuple[int, int, int]:
    return report.added, report.updated, report.unchanged


def reasons(report: IndexReport) -> dict[str, str]:
    return {Path(skipped.path).name: skipped.reason for skipped in report.skipped}


def stems(memory: Memory) -> set[str]:
    return {Path(hit.record.uri).stem for hit in memory.search("red", k=100)}


def captions(folder: Path, *rows: str) -> Path:
    path = folder.parent / "captions.csv"
    path.write_text("\n".join(["image,caption", *rows]) + "\n", encoding="utf-8")
    return path


# --- counts


def test_a_first_run_adds_and_a_second_reads_nothing(
    memory: Memory, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo_folder / "notes.txt").write_text("x")
    (photo_folder / "film.mp4").write_bytes(b"x")
    report = index(photo_folder, memory=memory)
    assert counts(report) == (4, 0, 0)
    assert (report.ignored, report.pruned, report.records, report.skipped) == (2, 0, 4, ())
    assert report.seconds > 0
    monkeypatch.setattr("revln.pipeline.indexing.encode_photo", None)  # would fail if a file were read
    assert counts(index([photo_folder], memory=memory)) == (0, 0, 4)


def test_new_and_changed_files_are_read(memory: Memory, photo_folder: Path, make_photo: MakePhoto) -> None:
    index(photo_folder, memory=memory)
    make_photo(photo_folder / "green.png", "red", size=(50, 50))
    make_photo(photo_folder / "new.png", "blue")
    assert counts(index(photo_folder, memory=memory)) == (1, 1, 3)
    assert [Path(hit.record.uri).stem for hit in memory.search("green", min_score=0.9)] == []


def test_a_file_touched_but_not_changed_is_one_record(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory)
    os.utime(photo_folder / "red.png", ns=(1, 1))
    assert counts(index(photo_folder, memory=memory)) == (0, 1, 3)
    assert len(memory) == 4


def test_one_path_may_be_given_as_a_string_and_so_may_one_pattern(memory: Memory, photo_folder: Path) -> None:
    report = index(str(photo_folder), memory=memory, exclude="r*.png")
    assert counts(report) == (3, 0, 0)
    assert counts(index(photo_folder / "red.png", memory=memory)) == (1, 0, 0)


def test_progress_ends_at_the_number_of_files(memory: Memory, photo_folder: Path) -> None:
    (photo_folder / "broken.jpg").write_bytes(b"")
    (photo_folder / "notes.txt").write_text("x")
    for _ in range(2):
        seen: list[tuple[int, int]] = []
        index(photo_folder, memory=memory, progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen == [(done, 6) for done in range(1, 7)]


def test_sources_are_kept_apart(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory, source="one")
    assert counts(index(photo_folder, memory=memory, source="two")) == (4, 0, 0)
    assert memory.info().sources == {"one": 4, "two": 4}


def test_a_path_that_does_not_exist(memory: Memory, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        index(tmp_path / "nothing", memory=memory)


def test_labels_from_folders(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "classes" / "wild_rose" / "1.png", "red")
    make_photo(tmp_path / "classes" / "2.png", "blue")
    index(tmp_path / "classes", memory=memory, labels_from_folders=True)
    assert memory.label_counts() == {"wild rose": 1}


# --- captions


def test_captions_get_vectors_of_their_own(memory: Memory, photo_folder: Path) -> None:
    rows = ("orange.png,green", "red.png,green grass", "red.png,blue", "green.png,red red", "gone.png,nothing")
    file = captions(photo_folder, *rows)
    report = index(photo_folder, memory=memory, captions=file)
    assert counts(report) == (4, 0, 0)
    assert reasons(report) == {"gone.png": "caption file names it, but there is no such image"}
    found = {Path(hit.record.uri).stem: hit for hit in memory.search("blue")}
    assert found["red"].record.texts == ("green grass", "blue")
    assert (found["red"].score, found["red"].text) == (pytest.approx(1, abs=1e-3), "blue")
    assert found["orange"].score == pytest.approx(0, abs=1e-3)
    red = {Path(hit.record.uri).stem: hit.score for hit in memory.search("red")}
    assert red == pytest.approx({"red": 1, "green": 1, "orange": 255 / 285.3, "blue": 0}, abs=1e-3)
    assert (memory.info().image_vectors, memory.info().text_vectors) == (4, 4)


def test_changed_captions_are_an_update(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory, captions=captions(photo_folder, "red.png,green", "blue.png,green"))
    report = index(photo_folder, memory=memory, captions=captions(photo_folder, "red.png,green", "blue.png,red"))
    assert counts(report) == (0, 1, 3)
    (hit,) = memory.search("red", where="uri LIKE '%blue.png'")
    assert (hit.record.texts, hit.score) == (("red",), pytest.approx(1, abs=1e-3))


def test_a_photos_own_caption_comes_after_those_given(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a green boat"
    photo = make_photo(tmp_path / "photos" / "p.jpg", "blue", exif=exif)
    for row, texts in (("p.jpg,red", ("red", "a green boat")), ("p.jpg,a green boat", ("a green boat",))):
        index(photo.parent, memory=memory, captions=captions(photo.parent, row))
        assert memory.search("red")[0].record.texts == texts


def test_a_caption_file_that_cannot_be_used_stops_before_anything_is_written(
    memory: Memory, photo_folder: Path
) -> None:
    with pytest.raises(CaptionFileError, match="no such file"):
        index(photo_folder, memory=memory, captions=photo_folder / "gone.csv")
    (photo_folder.parent / "latin.csv").write_bytes("image,caption\nred.png,ein Käfer\n".encode("latin-1"))
    with pytest.raises(CaptionFileError, match="save it as UTF-8"):
        index(photo_folder, memory=memory, captions=photo_folder.parent / "latin.csv")
    assert len(memory) == 0


# --- what a run is silent about


def said(memory: Memory) -> dict[str, tuple[tuple[str, ...], str | None]]:
    """Texts and label of each photo."""
    hits = memory.search("red", k=100)
    return {Path(hit.record.uri).stem: (hit.record.texts, hit.record.label) for hit in hits}


def fail(*_: object) -> None:
    raise AssertionError("a file was read")


def test_captions_and_labels_given_once_are_kept_and_nothing_is_read(
    memory: Memory, tmp_path: Path, make_photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("rose/1.png", "rose/2.png", "daisy/3.png"):
        make_photo(tmp_path / "flowers" / name, "red")
    file = captions(tmp_path / "flowers", "1.png,a red one", "3.png,another")
    index(tmp_path / "flowers", memory=memory, captions=file, labels_from_folders=True)
    expected = {"1": (("a red one",), "rose"), "2": ((), "rose"), "3": (("another",), "daisy")}
    monkeypatch.setattr("revln.pipeline.indexing.encode_photo", fail)
    for options in ({}, {"captions": file}, {"labels_from_folders": True}, {"captions": file}, {}):
        assert counts(index(tmp_path / "flowers", memory=memory, **options)) == (0, 0, 3)
        assert said(memory) == expected


def test_a_changed_file_keeps_its_captions_and_label(
    memory: Memory, tmp_path: Path, make_photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "flowers"
    photo = make_photo(folder / "rose" / "1.png", "red")
    file = captions(folder, "1.png,green", "1.png,a blue one")
    index(folder, memory=memory, captions=file, labels_from_folders=True)
    make_photo(photo, "blue", size=(50, 50))
    assert counts(index(folder, memory=memory)) == (0, 1, 0)
    assert said(memory) == {"1": (("green", "a blue one"), "rose")}
    (hit,) = memory.search("green")
    assert (hit.score, hit.text) == (pytest.approx(1, abs=1e-3), "green")
    monkeypatch.setattr("revln.pipeline.indexing.encode_photo", fail)
    for options in ({}, {"captions": file}, {"labels_from_folders": True}):
        assert counts(index(folder, memory=memory, **options)) == (0, 0, 1)


def test_what_is_said_anew_replaces_only_that(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    folder = tmp_path / "flowers"
    make_photo(folder / "rose" / "1.png", "red")
    index(folder, memory=memory, labels_from_folders=True)
    assert counts(index(folder, memory=memory, captions=captions(folder, "1.png,one"))) == (0, 1, 0)
    assert said(memory) == {"1": (("one",), "rose")}
    (folder / "rose").rename(folder / "tulip")
    index(folder, memory=memory, captions=captions(folder, "1.png,one"), labels_from_folders=True, prune=True)
    assert said(memory) == {"1": (("one",), "tulip")}
    assert counts(index(folder, memory=memory, captions=captions(folder, "1.png,two"))) == (0, 1, 0)
    assert said(memory) == {"1": (("two",), "tulip")}


def test_a_photos_own_caption_changes_with_it_and_those_given_stay(
    memory: Memory, tmp_path: Path, make_photo: MakePhoto
) -> None:
    def photo(caption: str, side: int) -> Path:
        exif = Image.Exif()
        exif[0x010E] = caption
        return make_photo(tmp_path / "photos" / "p.jpg", "blue", size=(side, side), exif=exif)

    folder = photo("a boat", 20).parent
    file = captions(folder, "p.jpg,given")
    index(folder, memory=memory)
    assert said(memory)["p"][0] == ("a boat",)
    photo("a ship", 30)
    assert counts(index(folder, memory=memory)) == (0, 1, 0)
    assert said(memory)["p"][0] == ("a ship",)
    index(folder, memory=memory, captions=file)
    photo("a raft", 40)
    assert counts(index(folder, memory=memory)) == (0, 1, 0)
    assert said(memory)["p"][0] == ("given", "a raft")
    assert counts(index(folder, memory=memory, captions=file)) == (0, 0, 1)


def test_a_photo_that_a_folder_and_a_caption_file_know_in_one_run(
    memory: Memory, tmp_path: Path, make_photo: MakePhoto
) -> None:
    photo = make_photo(tmp_path / "photos" / "rose" / "1.png", "red")
    table = tmp_path / "t.jsonl"
    table.write_text(json.dumps({"image": str(photo), "caption": "green"}) + "\n")
    for expected in ((1, 0, 0), (0, 0, 2)):
        report = index([table, photo.parents[1]], memory=memory, labels_from_folders=True)
        assert counts(report) == expected
        assert said(memory) == {"1": (("green",), "rose")}


def test_records_of_an_earlier_format_keep_their_captions(
    memory: Memory, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Candidate, "fingerprint", property(lambda self: f"{self.size:020}"))
        index(photo_folder, memory=memory, captions=captions(photo_folder, "red.png,green"))
    assert counts(index(photo_folder, memory=memory)) == (0, 4, 0)
    assert said(memory)["red"] == (("green",), None)
    assert counts(index(photo_folder, memory=memory)) == (0, 0, 4)


# --- bad files


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and has next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def test_bad_files_are_listed_with_the_reason_and_stop_nothing(memory: Memory, photo_folder: Path) -> None:
    whole = photo_folder / "whole.jpg"
    Image.effect_noise((200, 200), 80).convert("RGB").save(whole)
    (photo_folder / "cut.jpg").write_bytes(whole.read_bytes()[:3000])
    (photo_folder / "empty.jpg").write_bytes(b"")
    (photo_folder / "text.jpg").write_text("This is no picture.")
    (photo_folder / "bomb.png").write_bytes(png_header(60_000, 60_000))
    (photo_folder / "folder.jpg").mkdir()
    (photo_folder / "dangling.jpg").symlink_to(photo_folder / "gone.jpg")
    (photo_folder / "circle").symlink_to(photo_folder, target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(photo_folder / "pipe.jpg")
    report = index(photo_folder, memory=memory)
    assert counts(report) == (5, 0, 0)
    found = reasons(report)
    assert found.pop("pipe.jpg", "not a regular file") == "not a regular file"
    assert found == {
        "cut.jpg": "truncated",
        "empty.jpg": "empty file",
        "text.jpg": "not an image",
        "bomb.png": "60000 x 60000 pixels are over the limit of 200 million",
        "dangling.jpg": "link to a missing file",
    }
    assert stems(memory) == {"red", "green", "blue", "orange", "whole"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_and_folder_are_skipped_and_not_pruned(memory: Memory, photo_folder: Path) -> None:
    (photo_folder / "locked").mkdir()
    (photo_folder / "red.png").rename(photo_folder / "locked" / "red.png")
    index(photo_folder, memory=memory)
    (photo_folder / "locked").chmod(0)
    (photo_folder / "new.png").write_bytes((photo_folder / "blue.png").read_bytes())
    (photo_folder / "new.png").chmod(0)
    try:
        report = index(photo_folder, memory=memory, prune=True)
    finally:
        (photo_folder / "locked").chmod(0o700)
    assert reasons(report) == {"locked": "permission denied", "new.png": "permission denied"}
    assert (report.pruned, len(memory)) == (0, 4)


def test_a_file_that_no_memory_suffices_for_is_skipped(
    memory: Memory, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from revln.pipeline import indexing

    encode = indexing.encode_photo

    def starve(candidate, encoder):
        if candidate.path.stem == "red":
            raise MemoryError
        return encode(candidate, encoder)

    monkeypatch.setattr(indexing, "encode_photo", starve)
    report = index(photo_folder, memory=memory)
    assert (counts(report), reasons(report)) == ((3, 0, 0), {"red.png": "not enough memory"})


def test_a_file_that_breaks_keeps_its_record(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory)
    (photo_folder / "red.png").write_bytes(b"")
    report = index(photo_folder, memory=memory, prune=True)
    assert (counts(report), reasons(report), report.pruned) == ((0, 0, 3), {"red.png": "empty file"}, 0)
    assert "red" in stems(memory)


# --- pruning


def test_without_prune_nothing_is_deleted(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory)
    (photo_folder / "red.png").unlink()
    report = index(photo_folder, memory=memory)
    assert (counts(report), report.pruned, report.records) == ((0, 0, 3), 0, 4)


def test_prune_deletes_what_is_gone_below_the_given_folders_and_of_this_source(
    memory: Memory, photo_folder: Path, tmp_path: Path, make_photo: MakePhoto
) -> None:
    make_photo(tmp_path / "photos more" / "elsewhere.png", "red")  # its path begins alike, but lies not below
    index([photo_folder, tmp_path / "photos more"], memory=memory)
    index(photo_folder, memory=memory, source="other")
    memory.add(texts=["no file at all"], source="files")
    for gone in (photo_folder / "red.png", photo_folder / "blue.png", tmp_path / "photos more" / "elsewhere.png"):
        gone.unlink()
    report = index(photo_folder, memory=memory, prune=True)
    assert (report.pruned, report.records) == (2, 8)
    assert memory.info().sources == {"other": 4, "files": 4}
    assert len(memory.search("red", where="uri LIKE '%elsewhere%'")) == 1
    assert index([photo_folder, tmp_path / "photos more"], memory=memory, prune=True).pruned == 1


def test_a_whole_folder_that_is_gone_is_pruned(memory: Memory, photo_folder: Path, make_photo: MakePhoto) -> None:
    photo = make_photo(photo_folder / "sub" / "deep" / "x.png", "red")
    index(photo_folder, memory=memory)
    photo.unlink()
    photo.parent.rmdir()
    photo.parent.parent.rmdir()
    photo.parent.parent.write_text("a file now")
    assert index(photo_folder, memory=memory, prune=True).pruned == 1


def test_what_cannot_be_looked_at_is_not_gone(memory: Memory, photo_folder: Path, make_photo: MakePhoto) -> None:
    make_photo(photo_folder / "sub" / "x.png", "red")
    index(photo_folder, memory=memory)
    (photo_folder / "sub" / "x.png").unlink()
    (photo_folder / "sub").rmdir()
    (photo_folder / "sub").symlink_to(photo_folder / "sub")  # every look at it fails, but not for being missing
    assert index(photo_folder, memory=memory, prune=True).pruned == 0
    assert "x" in stems(memory)


def test_prune_knows_folders_by_any_spelling(
    memory: Memory, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo_folder / "sub").mkdir()
    monkeypatch.chdir(photo_folder / "sub")
    index("..", memory=memory)
    (photo_folder / "red.png").unlink()
    assert index("..", memory=memory, prune=True).pruned == 1
    monkeypatch.chdir(photo_folder)
    (photo_folder / "blue.png").unlink()
    assert index(".", memory=memory, prune=True).pruned == 1
    assert stems(memory) == {"green", "orange"}


def test_excluded_files_are_not_gone(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory)
    assert index(photo_folder, memory=memory, exclude=["red*"], prune=True).pruned == 0

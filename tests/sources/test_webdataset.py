from __future__ import annotations

import io
import json
import os
import tarfile
import time
from pathlib import Path

import pytest

from revln.errors import ImageError
from revln.sources import WebDatasetSource, read_archived

SAMPLES = {
    "0/00.jpg": b"zero",
    "0/00.txt": b"a boat\n\na red boat\n",
    "0/00.cls": b"4\n",
    "0/01.left.jpg": b"left",
    "0/01.right.png": b"right",
    "0/01.json": json.dumps({"caption": "two sides", "label": "pair", "url": "x"}).encode(),
    "0/02.mp4": b"film",
    "0/03.webp": b"alone",
}


def shard(path: Path, members: dict[str, bytes], **options) -> Path:
    with tarfile.open(path, "w", **options) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_samples(tmp_path, scan, layout: int) -> None:
    path = shard(tmp_path / "s.tar", SAMPLES, format=layout)
    found = scan(WebDatasetSource(path))
    assert [(each.uri, each.texts, each.label) for each in found.candidates] == [
        (f"{path}/0/00.jpg", ("a boat", "a red boat"), "4"),
        (f"{path}/0/01.left.jpg", ("two sides",), "pair"),
        (f"{path}/0/01.right.png", ("two sides",), "pair"),
        (f"{path}/0/03.webp", None, None),
    ]
    assert [each.load() for each in found.candidates] == [b"zero", b"left", b"right", b"alone"]
    assert {(each.path, each.kind) for each in found.candidates} == {(path, "image")}
    assert (found.skipped, found.ignored) == ([], 1)


def test_names_are_names_only(tmp_path, scan) -> None:
    long = "x" * 180 + "/" + "y" * 120 + ".jpg"
    names = ["../../../etc/a.jpg", "/etc/b.jpg", "./c.jpg", long]
    path = shard(tmp_path / "s.tar", dict.fromkeys(names, b"x"))
    assert [each.uri for each in scan(WebDatasetSource(path)).candidates] == [
        f"{path}/{name}" for name in ("../../../etc/a.jpg", "etc/b.jpg", "c.jpg", long)
    ]
    assert sorted(tmp_path.iterdir()) == [path]


def test_links_and_folders_are_passed_over(tmp_path, scan) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for name, kind in (("d", tarfile.DIRTYPE), ("a.jpg", tarfile.SYMTYPE), ("b.jpg", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert scan(WebDatasetSource(tmp_path / "s.tar")) == ([], [], 0)


@pytest.mark.parametrize("cut", range(1, 10))
def test_of_a_truncated_shard_what_is_whole_is_taken(tmp_path, scan, cut: int) -> None:
    members = {f"{number}.jpg": bytes([number]) * 900 for number in range(5)}
    path = shard(tmp_path / "s.tar", members)
    whole = path.read_bytes()[: 5 * 1536]
    path.write_bytes(whole[: len(whole) * cut // 10])
    found = scan(WebDatasetSource(path))
    assert [each.load() for each in found.candidates] == list(members.values())[
        : (len(whole) * cut // 10 + 124) // 1536
    ]
    assert len(found.skipped) == 1
    assert found.skipped[0][0] == str(path)
    assert "truncated" in found.reasons[0]


def test_a_shard_that_is_damaged_within(tmp_path, scan) -> None:
    path = shard(tmp_path / "s.tar", {f"{number}.jpg": b"x" * 400 for number in range(4)})
    data = bytearray(path.read_bytes())
    data[2048:2148] = b"\xff" * 100
    path.write_bytes(data)
    found = scan(WebDatasetSource(path))
    assert len(found.candidates) == 2
    assert found.reasons == ["damaged at byte 2,048"]


def test_what_is_no_shard(tmp_path, scan, write) -> None:
    assert scan(WebDatasetSource(tmp_path / "gone.tar")).reasons == ["no such file"]
    assert scan(WebDatasetSource(write("text.tar", "x" * 2000))).reasons[0].startswith("no sound tar archive")
    assert scan(WebDatasetSource(write("empty.tar", b""))).reasons[0].startswith("no sound tar archive")
    assert scan(WebDatasetSource(shard(tmp_path / "none.tar", {}))) == ([], [], 0)


def test_texts_that_cannot_be_read_leave_their_photo(tmp_path, scan) -> None:
    path = shard(tmp_path / "s.tar", {"a.jpg": b"x", "a.txt": b"caf\xe9", "a.json": b"{", "a.cls": b"1"})
    found = scan(WebDatasetSource(path))
    assert [(each.texts, each.label) for each in found.candidates] == [(None, "1")]
    assert [(Path(name).name, "no text" in reason) for name, reason in found.skipped] == [
        ("a.txt", True),
        ("a.json", True),
    ]


def test_a_shard_that_shrinks_before_a_photo_is_read(tmp_path, scan) -> None:
    path = shard(tmp_path / "s.tar", {"a.jpg": b"x" * 3000})
    (photo,) = scan(WebDatasetSource(path)).candidates
    os.truncate(path, 1000)
    with pytest.raises(ImageError, match="truncated"):
        photo.load()


def test_a_rewritten_shard_is_noticed(tmp_path, scan) -> None:
    path = shard(tmp_path / "s.tar", {"a.jpg": b"one"})
    (before,) = scan(WebDatasetSource(path)).candidates
    shard(path, {"a.jpg": b"two"})
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1))
    (after,) = scan(WebDatasetSource(path)).candidates
    assert before.id == after.id
    assert not after.is_unchanged(before.fingerprint)


def test_photos_are_read_by_their_uri(tmp_path, scan) -> None:
    path = shard(tmp_path / "s.TAR", {**SAMPLES, "./00.jpg": b"a", "../x.jpg": b"up"})
    photos = scan(WebDatasetSource(path)).candidates
    assert [read_archived(each.uri) for each in photos] == [each.load() for each in photos]
    for uri in (f"{path}/0/00.txt", f"{path}/none.jpg", f"{tmp_path}/gone.tar/0/00.jpg", f"{tmp_path}/00.jpg", "a:1"):
        assert read_archived(uri) is None
    shard(path, {"00.jpg": b"another"})
    assert (read_archived(f"{path}/00.jpg"), read_archived(f"{path}/0/00.jpg")) == (b"another", None)
    path.write_bytes(path.read_bytes()[:515])
    assert read_archived(f"{path}/00.jpg") is None

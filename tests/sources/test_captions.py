from __future__ import annotations

import json
from pathlib import Path

import pytest

from revln.errors import CaptionFileError
from revln.sources import read_captions, read_split

CAPTIONS = Path(__file__).parents[2] / "../shared/data/flickr8k/captions.txt"
EXPECTED = {"a.jpg": ("A dog runs.", "狗在跑"), "b.jpg": ("A cat.",)}
CSV = "image,caption\na.jpg,A dog runs.\na.jpg,狗在跑\nb.jpg,A cat.\n"
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
    "annotations": [
        {"image_id": 1, "caption": "A dog runs."},
        {"image_id": 2, "caption": "A cat."},
        {"image_id": 1, "caption": "狗在跑"},
    ],
}
KARPATHY = {
    "dataset": "flickr8k",
    "images": [
        {"filename": "a.jpg", "split": "train", "sentences": [{"raw": "A dog runs."}, {"raw": "狗在跑"}]},
        {"filename": "b.jpg", "split": "test", "sentences": [{"raw": "A cat."}]},
    ],
}


@pytest.fixture
def file(tmp_path):
    def file(content: str | bytes) -> Path:
        path = tmp_path / "captions.any"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return file


def message_of(path: Path) -> str:
    with pytest.raises(CaptionFileError) as caught:
        read_captions(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize("content", [CSV, json.dumps(COCO), json.dumps(KARPATHY), " \n" + json.dumps(COCO, indent=1)])
def test_kinds_are_told_apart_by_content(file, content):
    assert read_captions(file(content)) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("content", [CSV, json.dumps(COCO, ensure_ascii=False)])
def test_encodings(file, content, encoding):
    assert read_captions(file(content.encode(encoding))) == EXPECTED


def test_utf16_big_endian(file):
    assert read_captions(file(b"\xfe\xff" + CSV.encode("utf-16-be"))) == EXPECTED


def test_csv_columns_in_any_place_and_case(file):
    content = "number,Caption, IMAGE ,split\r\n1,A dog runs.,a.jpg,train\r\n2,A cat.,b.jpg,test\r\n"
    assert read_captions(file(content)) == {"a.jpg": ("A dog runs.",), "b.jpg": ("A cat.",)}


def test_csv_quotes(file):
    content = 'image,caption\na.jpg,"Two lines,\none ""caption"""\n'
    assert read_captions(file(content)) == {"a.jpg": ('Two lines,\none "caption"',)}


def test_csv_commas_without_quotes(file):
    assert read_captions(file("image,caption\na.jpg,A dog, a cat, and a bird\n")) == {
        "a.jpg": ("A dog, a cat, and a bird",)
    }


def test_blank_captions_and_lines_are_dropped(file):
    assert read_captions(file("image,caption\n\na.jpg,  \nb.jpg, A cat. \n\n")) == {"b.jpg": ("A cat.",)}


def test_missing_file(tmp_path):
    assert "no such file: check the path" in message_of(tmp_path / "captions.txt")


def test_directory(tmp_path):
    assert "check the path" in message_of(tmp_path)


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_empty_file(file, content):
    assert "is empty" in message_of(file(content))


@pytest.mark.parametrize("content", ["image,caption\n", "image,caption\na.jpg,\n", '{"images": []}'])
def test_no_captions(file, content):
    assert "holds no captions" in message_of(file(content))


def test_wrong_encoding_names_the_place_and_the_way_out(file):
    message = message_of(file(CSV.encode() + "c.jpg,Ein Hund läuft\n".encode("latin-1")))
    assert "line 5 (byte" in message
    assert "is not UTF-8: save it as UTF-8" in message


def test_broken_utf16(file):
    assert "save it as UTF-8" in message_of(file(CSV.encode("utf-16")[:-1]))


def test_utf16_without_a_mark(file):
    assert "save it as UTF-8" in message_of(file("image,caption\na.jpg,dog\n".encode("utf-16-le")))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("picture,caption\na.jpg,dog\n", "line 1 names no column image"),
        ("a.jpg,A dog runs.\n", "line 1 names no column image and caption"),
        ("image,caption\na.jpg,dog\nb.jpg\n", "line 3 lacks"),
        ("image,caption\n,dog\n", "line 2 lacks"),
        ('image,caption\na.jpg,"dog\n', "check its quotes"),
        ('image,caption\na.jpg,"dog"s\n', "line 2"),
        ("image,caption\na.jpg," + "x" * 200_000, "line 2"),
        ('{"images": [', "no valid JSON"),
        ("[" * 100_000, "no valid JSON"),
        ("[1, 2]", "the file has no 'images'"),
        ('{"images": {}}', "the file has no 'images'"),
        ('{"images": [{"id": 1}], "annotations": []}', "images[0] has no 'file_name'"),
        (
            '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 2}]}',
            "is about image 2",
        ),
        ('{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "caption": 7}]}', "no 'caption'"),
        ('{"images": [], "annotations": 5}', "the file has no 'annotations'"),
        ('{"images": [{"filename": "a"}]}', "images[0] has no 'sentences'"),
        ('{"images": [{"filename": "a", "sentences": [null]}]}', "images[0].sentences[0] has no 'raw'"),
        ('{"images": [5]}', "images[0] has no 'filename'"),
    ],
)
def test_malformed(file, content, part):
    assert part in message_of(file(content))


def test_split(file):
    assert read_split(file("a.jpg\r\n\r\n b.jpg \na.jpg")) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("content", [b"", b"\xff\xe9\n"])
def test_bad_split(file, content):
    with pytest.raises(CaptionFileError):
        read_split(file(content))


@pytest.mark.skipif(not CAPTIONS.is_file(), reason=f"{CAPTIONS} is absent")
def test_real_file():
    captions = read_captions(CAPTIONS)
    assert len(captions) == 6996
    assert {len(texts) for texts in captions.values()} == {5}

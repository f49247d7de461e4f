from __future__ import annotations

import json
import os
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from revln.errors import InputError
from revln.sources import (
    CaptionedSource,
    FolderSource,
    NoteSource,
    PathKind,
    QuestionSource,
    TableSource,
    WebDatasetSource,
    WordNetSource,
    kind_of,
    open_sources,
)

COCO = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "a boat"}]}
VQA = {"questions": [{"question": "What?", "question_id": 1}], "annotations": [{"question_id": 1, "answer": "that"}]}
FILES = {
    "coco.json": (json.dumps(COCO), PathKind.CAPTIONS),
    "captions.csv": ("image,caption\na.jpg,a boat\n", PathKind.CAPTIONS),
    "captions.txt": ("image,caption\na.jpg,a boat\n", PathKind.CAPTIONS),
    "vqa.json": (json.dumps(VQA), PathKind.QUESTIONS),
    "late.json": (json.dumps({"info": "x" * 3_000_000, **VQA}), PathKind.QUESTIONS),
    "says.json": (json.dumps({"images": [{"filename": "a.jpg", "sentences": [{"raw": '"questions": ['}]}]}),
                  PathKind.CAPTIONS),
    "list.json": ('\ufeff [{"text": "x"}]', PathKind.TABLE),
    "t.jsonl": ("", PathKind.TABLE),
    "t.NDJSON": ("", PathKind.TABLE),
    "t.parquet": ("", PathKind.TABLE),
    "s.tar": ("", PathKind.SHARD),
    "n.md": ("", PathKind.NOTES),
    "n.txt": ("image of a boat", PathKind.NOTES),
    "p.JPG": ("no picture", PathKind.PHOTOS),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_are_told_by_name_and_content(write, name: str) -> None:
    content, kind = FILES[name]
    assert kind_of(write(name, content)) is kind


def test_folders(tmp_path, write) -> None:
    assert kind_of(tmp_path) is PathKind.PHOTOS
    write("data.noun", "")
    write("index.noun", "")
    assert kind_of(tmp_path) is PathKind.WORDNET


def test_photos_without_a_photos_name(tmp_path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "scan.dat", "PNG")
    assert kind_of(tmp_path / "scan.dat") is PathKind.PHOTOS


@pytest.mark.parametrize("name", ["film.mp4", "a.xmp", "s.tar.gz", "noname"])
def test_what_is_not_understood_is_told_with_what_is(write, name: str) -> None:
    path = write(name, b"\0\1\2")
    with pytest.raises(InputError, match=r"of no kind that can be indexed: give folders, photos, tables \(\.jsonl"):
        kind_of(path)


def test_paths_that_cannot_be_looked_at(tmp_path, write) -> None:
    with pytest.raises(InputError, match="no such file or folder: check the path"):
        kind_of(tmp_path / "gone.json")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files(write) -> None:
    path = write("a.json", "{}")
    path.chmod(0)
    with pytest.raises(InputError, match="permission denied: check the path"):
        kind_of(path)


def test_each_path_gets_its_source(tmp_path, write) -> None:
    for name, (content, _) in FILES.items():
        write(name, content)
    for name in ("data.noun", "index.noun"):
        write(f"wordnet/{name}", "")
    paths = [*(tmp_path / name for name in FILES), tmp_path / "wordnet", tmp_path]
    opened = open_sources([*paths, *paths], words=["tench"])
    assert [type(source) for source in opened.sources] == [
        FolderSource,
        *[CaptionedSource] * 4,
        WebDatasetSource,
        *[TableSource] * 4,
        QuestionSource,
        *[NoteSource] * 2,
        WordNetSource,
    ]


def test_questions_and_annotations_are_put_together(write) -> None:
    parts = [write(f"{key}.json", json.dumps({key: VQA[key]})) for key in VQA]
    (source,) = open_sources(parts).sources
    assert [item.texts for item in source.scan()] == [("What? that",)]
    with pytest.raises(InputError, match="holds no answers"):
        open_sources(parts[:1])


def test_captioned_photos_lie_beside_the_file_or_in_images(write, scan, tmp_path) -> None:
    images = [{"filename": name, "sentences": [{"raw": f"this is {name}"}]} for name in ("a.jpg", "b.jpg", "c.jpg")]
    path = write("karpathy.json", json.dumps({"images": images}))
    write("a.jpg", b"x")
    write("images/a.jpg", b"x")
    write("images/b.jpg", b"x")
    found = scan(CaptionedSource(path, name="coco"))
    assert [(each.source, each.uri, each.texts) for each in found.candidates] == [
        ("coco", str(tmp_path / "a.jpg"), ("this is a.jpg",)),
        ("coco", str(tmp_path / "images" / "b.jpg"), ("this is b.jpg",)),
    ]
    assert found.skipped == [(str(tmp_path / "c.jpg"), "no such file")]


def test_names_that_no_file_can_have_are_listed(write, scan, tmp_path) -> None:
    names = ["x" * 300 + ".jpg", f"../{tmp_path.name}/loop/a.jpg", "nul\0.jpg"]
    images = [{"filename": name, "sentences": [{"raw": "x"}]} for name in names]
    path = write("karpathy.json", json.dumps({"images": images}))
    (path.parent / "loop").symlink_to(path.parent / "loop")
    reasons = ["file name too long", "too many levels of symbolic links", "no such file"]
    assert scan(CaptionedSource(path)).reasons == reasons
    table = write("t.jsonl", "".join(json.dumps({"image": name}) + "\n" for name in names))
    assert [reason.rpartition(": ")[2] for reason in scan(TableSource(table)).reasons] == [
        *reasons[:2],
        "its image is not given by a path",
    ]


def test_a_chain_yields_all(write, scan, tmp_path) -> None:
    write("t.jsonl", '{"text": "one"}\n{\n')
    write("n.md", "two")
    write("p/a.jpg", b"x")
    write("p/b.mp4", b"x")
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        tar.add(tmp_path / "p" / "a.jpg", "b.jpg")
    found = scan(open_sources([tmp_path / name for name in ("s.tar", "n.md", "t.jsonl", "p")], name="all"))
    assert [Path(each.uri).name for each in found.candidates] == ["a.jpg", "b.jpg", "t.jsonl", "n.md"]
    assert {each.source for each in found.candidates} == {"all"}
    assert (found.reasons, found.ignored) == (["row 2: is no valid JSON"], 1)

"""What ``--prune`` takes away besides photos whose file is gone."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from revln.pipeline import Memory, index
from revln.types import KINDS, Candidate


def texts(memory: Memory) -> list[str]:
    return sorted(hit.text or "" for hit in memory.search("red", kinds=set(KINDS) - {"image"}, k=50))


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def shard(path: Path, *colours: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for colour in colours:
            stream = io.BytesIO()
            Image.new("RGB", (24, 16), colour).save(stream, "PNG")
            info = tarfile.TarInfo(f"{colour}.png")
            info.size = stream.tell()
            stream.seek(0)
            tar.addfile(info, stream)
    return path


def test_rows_that_are_gone_from_a_table(memory: Memory, tmp_path: Path) -> None:
    table = jsonl(tmp_path / "t.jsonl", {"text": "red"}, {"text": "green"}, {"text": "blue"})
    index(table, memory=memory)
    index(table, memory=memory, source="other")
    memory.add(texts=["by hand"], source="files")
    jsonl(table, {"text": "red"}, {"label": "sea", "text": "blue"})  # a row of another kind is another record
    report = index(table, memory=memory, prune=True)
    assert (report.added, report.pruned, report.records) == (1, 2, 6)
    assert texts(memory) == sorted(["by hand", "blue", "red", "red", "green", "blue"])
    table.write_text("")
    assert index(table, memory=memory, prune=True).pruned == 2
    assert memory.info().sources == {"other": 3, "files": 1}


def test_paragraphs_that_are_gone_from_notes(memory: Memory, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b", "c", "d"):
        (notes / f"{name}.md").write_text("red\n\ngreen\n\nblue\n")
    index(notes, memory=memory, notes=True)
    (notes / "a.md").write_text("red\n")
    (notes / "b.md").unlink()
    (notes / "c.md").write_text("red\n")
    assert index(notes, memory=memory, prune=True).pruned == 3  # of b: without notes, no other file was read
    assert index(notes, memory=memory, notes=True, exclude="c.md", prune=True).pruned == 2
    assert len(memory) == 1 + 3 + 3


def test_photos_that_are_gone_from_a_shard(memory: Memory, tmp_path: Path, photo_folder: Path) -> None:
    path = shard(photo_folder / "s.tar", "red", "green", "blue")
    index([photo_folder, path], memory=memory)
    shard(path, "red", "blue")
    assert index(photo_folder, memory=memory, prune=True).pruned == 0  # the shard was not read
    report = index([photo_folder, path], memory=memory, prune=True, exclude="red.png")
    assert (report.pruned, report.records) == (1, 6)
    assert not memory.search("green", where="uri LIKE '%s.tar/green%'")


def test_questions_that_are_gone(memory: Memory, tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    asked = [{"question_id": number, "question": f"red {number}?", "answer": "green"} for number in range(3)]
    path.write_text(json.dumps({"questions": asked}))
    index(path, memory=memory)
    path.write_text(json.dumps({"questions": asked[:1]}))
    assert (index(path, memory=memory, prune=True).pruned, len(memory)) == (2, 1)


@pytest.mark.parametrize("damage", ['{"text": "red"}\n{"text": "gre', '{"text": "red"}\nnonsense\n'])
def test_a_damaged_file_loses_nothing(memory: Memory, tmp_path: Path, damage: str) -> None:
    table = jsonl(tmp_path / "t.jsonl", {"text": "red"}, {"text": "green"}, {"text": "blue"})
    index(table, memory=memory)
    table.write_text(damage)
    report = index(table, memory=memory, prune=True)
    assert (len(report.skipped), report.pruned, len(memory)) == (1, 0, 3)


def test_a_shard_that_was_cut_short_loses_nothing(memory: Memory, tmp_path: Path) -> None:
    path = shard(tmp_path / "s.tar", "red", "green", "blue")
    index(path, memory=memory)
    path.write_bytes(path.read_bytes()[:2000])
    report = index(path, memory=memory, prune=True)
    assert (len(report.skipped), report.pruned, len(memory)) == (1, 0, 3)


def test_a_record_that_came_in_meanwhile_stays(memory: Memory, tmp_path: Path) -> None:
    table = jsonl(tmp_path / "t.jsonl", {"text": "red"})
    second = Memory.open(memory.path)
    once: list[int] = []

    def interfere(done: int, total: int) -> None:
        if not once:
            jsonl(table, {"text": "red"}, {"text": "green"})
            once.append(index(table, memory=second).added)
            jsonl(table, {"text": "red"})

    report = index(table, memory=memory, prune=True, progress=interfere)
    assert once
    assert report.pruned == 0
    assert texts(memory) == ["green", "red"]


def test_what_has_no_file_is_never_missing(memory: Memory, tmp_path: Path) -> None:
    wordnet = tmp_path / "wordnet"
    wordnet.mkdir()
    (wordnet / "index.noun").write_text("")
    (wordnet / "data.noun").write_text("00000000 20 n 01 red 0 000 | a colour  \n00000040 20 n 01 sea 0 000 | blue  \n")
    assert index(wordnet, memory=memory, all_nouns=True).added == 2
    (wordnet / "data.noun").write_text("00000000 20 n 01 red 0 000 | a colour  \n")
    memory.add(texts=["by hand"], source="files")
    held = len(memory)
    assert index(wordnet, memory=memory, all_nouns=True, prune=True).pruned == 0
    table = jsonl(tmp_path / "t.jsonl", {"text": "red"}, {"text": "green"})
    index(table, memory=memory)
    table.unlink()
    assert memory.missing() == [
        Candidate("files", "text", str(table), table, 0, 0, number=number).id for number in (1, 2)
    ]
    assert memory.delete(missing_files=True) == 2
    assert len(memory) == held

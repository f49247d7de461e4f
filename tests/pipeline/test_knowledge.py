"""Records that are no photos in folders: knowledge of every kind, photos in archives, sidecars."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from revln.errors import InputError
from revln.pipeline import Memory, index, index_source, indexing
from revln.types import KINDS, Candidate, IndexReport, Skipped

MakePhoto = Callable[..., Path]

XMP = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="2021-05-04T10:20:30">
<dc:description>{}</dc:description><dc:subject><rdf:Bag><rdf:li>zebra</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF>"""


def counts(report: IndexReport) -> tuple[int, int, int]:
    return report.added, report.updated, report.unchanged


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def picture(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(stream, "PNG")
    return stream.getvalue()


def shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_run_may_mix_all_kinds(memory: Memory, photo_folder: Path, tmp_path: Path) -> None:
    table = jsonl(
        tmp_path / "t.jsonl",
        {"question": "red or green?", "answer": "green", "image": "photos/red.png"},
        {"subject": "red", "relation": "is a kind of", "object": "colour"},
        {"label": "crimson", "text": "red red"},
        {"text": "blue"},
        {"nothing": 1},
    )
    report = index([photo_folder, table], memory=memory, source="mixed")
    assert counts(report) == (8, 0, 0)
    assert [skipped.reason for skipped in report.skipped] == ["row 5: has no columns that make a record"]
    assert memory.info().kinds == {"image": 4, "qa": 1, "triple": 1, "label": 1, "text": 1}
    assert (memory.info().image_vectors, memory.info().text_vectors) == (4, 4)
    hits = {hit.record.kind: hit for hit in memory.search("red", kinds=KINDS, k=20) if hit.record.kind != "image"}
    assert hits["label"].score == pytest.approx(1, abs=1e-3)
    assert hits["label"].record.label == "crimson"
    asked = hits["qa"].record
    assert asked.texts == ("red or green? green",)
    assert {name: asked.meta[name] for name in ("question", "answer", "image")} == {
        "question": "red or green?",
        "answer": "green",
        "image": str(photo_folder / "red.png"),
    }
    assert hits["triple"].record.meta["object"] == "colour"
    assert counts(index([photo_folder, table], memory=memory, source="mixed")) == (0, 0, 8)


def test_knowledge_is_updated_where_it_changed(memory: Memory, tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    index(jsonl(table, {"text": "red"}, {"text": "green"}), memory=memory)
    report = index(jsonl(table, {"text": "red"}, {"text": "blue"}, {"text": "green"}), memory=memory)
    assert counts(report) == (1, 1, 1)
    assert len(memory.search("red", kinds=["text"], min_score=0.9)) == 1


def test_knowledge_is_stored_in_batches_of_its_own(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_BATCH", 2)
    monkeypatch.setattr(indexing, "_KNOWLEDGE_BATCH", 10)
    stored: list[int] = []
    upsert = memory.table.upsert
    monkeypatch.setattr(
        memory.table, "upsert", lambda rows, **options: (stored.append(len(rows)), upsert(rows, **options))[1]
    )
    index(jsonl(tmp_path / "t.jsonl", *({"text": f"red {number}"} for number in range(25))), memory=memory)
    assert stored == [10, 10, 5]


def test_a_run_that_stops_goes_on_where_it_was(memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopping:
        def __init__(self, stop: bool) -> None:
            self.stop = stop

        def scan(self) -> Iterator[Candidate | Skipped | None]:
            for number in range(30):
                if self.stop and number == 25:
                    raise KeyboardInterrupt
                yield Candidate("s", "text", "u", Path("u"), 0, 0, (f"red {number}",), number=number)

    monkeypatch.setattr(indexing, "_KNOWLEDGE_BATCH", 10)
    monkeypatch.setattr("revln.models.parallel._IN_FLIGHT_PER_CORE", 1)
    with pytest.raises(KeyboardInterrupt):
        index_source(Stopping(stop=True), memory=memory)
    stored = len(memory)
    assert 10 <= stored < 30
    assert counts(index_source(Stopping(stop=False), memory=memory)) == (30 - stored, 0, stored)


def test_labels_of_knowledge_are_no_classes_to_choose_from(memory: Memory, tmp_path: Path) -> None:
    index(jsonl(tmp_path / "t.jsonl", {"label": "tench", "text": "a fish"}), memory=memory)
    assert memory.label_counts() == {}


def test_knowledge_without_texts_is_listed(memory: Memory) -> None:
    class Silent:
        def scan(self) -> Iterator[Candidate | Skipped | None]:
            yield Candidate("s", "triple", "t", Path("t"), 0, 0, facts={"subject": "x"})

    report = index_source(Silent(), memory=memory)
    assert report.skipped == (Skipped("t", "holds no text"),)


# --- photos in archives


def test_photos_of_a_shard(memory: Memory, tmp_path: Path) -> None:
    members = {"0/a.png": picture("red"), "0/a.txt": b"green", "0/b.png": picture("blue"), "0/b.cls": b"sky"}
    path = shard(tmp_path / "s.tar", {**members, "c.png": b"no picture", "d.png": b""})
    report = index(path, memory=memory)
    assert counts(report) == (2, 0, 0)
    assert {Path(skipped.path).name: skipped.reason for skipped in report.skipped} == {
        "c.png": "not an image",
        "d.png": "empty file",
    }
    (red, blue) = memory.search("red")
    assert (red.record.uri, red.record.texts, red.score) == (f"{path}/0/a.png", ("green",), pytest.approx(1, abs=1e-3))
    assert blue.record.label == "sky"
    assert len(memory.thumbs([red.record.id])) == 1
    assert counts(index(path, memory=memory, prune=True)) == (0, 0, 2)
    assert (index(path, memory=memory, prune=True).pruned, len(memory)) == (0, 2)
    path.unlink()
    assert memory.delete(missing_files=True) == 2


# --- sidecars


def test_a_sidecar_is_part_of_its_photo(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    folder = make_photo(tmp_path / "photos" / "p.jpg", "blue").parent
    sidecar = folder / "p.xmp"
    sidecar.write_text(XMP.format("green"))
    assert counts(index(folder, memory=memory)) == (1, 0, 0)
    (hit,) = memory.search("green", where="array_has(keywords, 'zebra') AND taken_at >= '2021-05-04'")
    assert (hit.record.texts, hit.score) == (("green",), pytest.approx(1, abs=1e-3))
    assert hit.record.meta["taken_at"] == datetime(2021, 5, 4, 10, 20, 30).isoformat()
    assert len(memory.search("zebra", mode="text")) == 1
    assert counts(index(folder, memory=memory)) == (0, 0, 1)
    sidecar.write_text(XMP.format("red, not green"))
    assert counts(index(folder, memory=memory)) == (0, 1, 0)
    assert memory.search("red")[0].record.texts == ("red, not green",)
    sidecar.unlink()
    assert counts(index(folder, memory=memory)) == (0, 1, 0)
    assert memory.search("red")[0].record.texts == ()


def test_a_bad_sidecar_is_listed_and_its_photo_indexed(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    photo = make_photo(tmp_path / "photos" / "p.jpg", "blue")
    sidecar = photo.with_suffix(".xmp")
    sidecar.write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    report = index(photo, memory=memory)
    assert (counts(report), report.skipped) == ((1, 0, 0), (Skipped(str(sidecar), "declares a document type"),))


# --- paths of every kind


def test_notes_and_wordnet_through_index(
    memory: Memory, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo_folder / "n.md").write_text("# Colours\n\nThe door is red.\n")
    assert index(photo_folder, memory=memory).ignored == 1
    report = index(photo_folder, memory=memory, notes=True)
    assert (counts(report), report.ignored) == ((1, 0, 4), 0)
    wordnet = tmp_path / "wordnet"
    wordnet.mkdir()
    entity = "00000000 03 n 01 entity 0 000 | that which is  \n"
    red = f"{len(entity):08d} 05 n 02 red 0 crimson 0 001 @ 00000000 n 0000 | a red colour  \n"
    (wordnet / "data.noun").write_text(entity + red)
    (wordnet / "index.noun").write_text(f"entity n 1 0 1 0 00000000\nred n 1 1 @ 1 0 {len(entity):08d}\n")
    report = index(wordnet, memory=memory, source="wordnet")
    # The tiny model's classes are red, green and blue, of which this WordNet has the first.
    assert (counts(report), len(report.skipped)) == ((2, 0, 0), 2)
    assert counts(index(wordnet, memory=memory, source="wordnet", all_nouns=True)) == (1, 0, 2)


def test_a_path_that_is_not_understood(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="of no kind that can be indexed: give folders, photos"):
        index(tmp_path / "film.mp4", memory=memory)
    assert len(memory) == 0

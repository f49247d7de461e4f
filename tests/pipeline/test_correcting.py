"""Single records of a memory: read, corrected, compared with others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from revln.errors import ImageError, MemoryStoreError, QueryError, RecordNotFoundError
from revln.pipeline import Memory, index
from revln.pipeline.queries import EncodedQuery
from revln.types import Hit
from tiny_bundle import make_tiny_bundle

NOBODY = "0" * 20


def names(hits: tuple[Hit, ...]) -> list[str]:
    return [Path(hit.record.uri).stem for hit in hits]


def id_of(memory: Memory, name: str) -> str:
    return next(hit.record.id for hit in memory.search("red", k=50) if Path(hit.record.uri).stem == name)


def test_a_record_by_its_id(filled: Memory) -> None:
    (hit,) = filled.search("red", k=1)
    assert filled.record(hit.record.id) == hit.record
    for nobody in (NOBODY, "' OR '1'='1"):
        with pytest.raises(RecordNotFoundError, match="no record has the id"):
            filled.record(nobody)


def test_the_file_of_a_photo(filled: Memory, photo_folder: Path) -> None:
    red = id_of(filled, "red")
    assert filled.photo_file(red) == (photo_folder / "red.png").read_bytes()
    (photo_folder / "red.png").unlink()
    with pytest.raises(ImageError, match="no such file"):
        filled.photo_file(red)
    with pytest.raises(ImageError, match="no photo"):
        filled.photo_file(filled.add(texts=["red"]).id)


def test_a_photo_in_an_archive(memory: Memory, tmp_path: Path, photo_folder: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        tar.add(photo_folder / "red.png", "1.png")
    index(tmp_path / "shard.tar", memory=memory)
    (hit,) = memory.search("red")
    assert memory.photo_file(hit.record.id) == (photo_folder / "red.png").read_bytes()


def test_correcting_changes_what_is_said_and_nothing_else(filled: Memory, photo_folder: Path) -> None:
    red = id_of(filled, "red")
    before = filled.record(red)
    thumb = filled.thumbs([red])
    corrected = filled.correct(red, texts=["a green field", " a green field ", ""], label=" meadow ")
    assert (corrected.texts, corrected.label) == (("a green field",), "meadow")
    assert corrected == filled.record(red)
    untold = {name: value for name, value in corrected.meta.items() if name != "indexed_at"}
    assert untold == {name: value for name, value in before.meta.items() if name != "indexed_at"}
    assert filled.thumbs([red]) == thumb
    assert filled.search("red", k=1)[0].record.id == red  # by its picture, as before
    assert red in {hit.record.id for hit in filled.search("meadow", mode="text")}
    (hit,) = filled.search("a green field", mode="text", k=1)
    assert (hit.record.id, hit.score) == (red, pytest.approx(1, abs=1e-5))
    assert len(filled) == 4


def test_what_is_not_given_stays(filled: Memory) -> None:
    red = id_of(filled, "red")
    filled.correct(red, texts=["one", "two"], label="door")
    assert filled.correct(red, label="gate").texts == ("one", "two")
    assert filled.correct(red, texts=["three"]).label == "gate"
    assert filled.correct(red, label="").label is None
    assert filled.correct(red, texts=[]).texts == ()


def test_indexing_again_keeps_what_was_corrected(
    filled: Memory, photo_folder: Path, make_photo: Callable[..., Path]
) -> None:
    red = id_of(filled, "red")
    filled.correct(red, texts=["a green field"], label="meadow")
    report = index(photo_folder, memory=filled)
    assert (report.updated, report.unchanged) == (0, 4)
    make_photo(photo_folder / "red.png", (250, 10, 10), (32, 32))
    assert index(photo_folder, memory=filled).updated == 1
    kept = filled.record(red)
    assert (kept.texts, kept.label, kept.meta["width"]) == (("a green field",), "meadow", 32)
    filled.correct(red, texts=[])
    assert index(photo_folder, memory=filled).unchanged == 4
    index(photo_folder, memory=filled, labels_from_folders=True)
    assert filled.record(red).label == "meadow"  # right in the folder: no label is said


def test_what_is_found_in_a_file_can_be_corrected(
    memory: Memory, tmp_path: Path, make_photo: Callable[..., Path]
) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "Ada at the lake"
    make_photo(tmp_path / "p" / "lake.jpg", "blue", exif=exif)
    index(tmp_path / "p", memory=memory)
    (hit,) = memory.search("blue")
    assert hit.record.texts == ("Ada at the lake",)
    assert memory.correct(hit.record.id, label="water").texts == ("Ada at the lake",)
    assert memory.correct(hit.record.id, texts=["Eve at the lake"]).texts == ("Eve at the lake",)
    assert index(tmp_path / "p", memory=memory).unchanged == 1
    assert memory.search("Ada", mode="text").hits == ()


def test_the_file_need_not_be_there(filled: Memory, photo_folder: Path) -> None:
    red = id_of(filled, "red")
    shutil.rmtree(photo_folder)
    assert filled.correct(red, texts=["gone"]).texts == ("gone",)


def test_knowledge_can_be_corrected(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "facts.jsonl").write_text('{"question": "What is red?", "answer": "A rose"}\n')
    index(tmp_path / "facts.jsonl", memory=memory)
    (hit,) = memory.search("red", kinds=["qa"])
    corrected = memory.correct(hit.record.id, texts=["What is red? A door"])
    assert (corrected.kind, corrected.meta["answer"]) == ("qa", "A rose")
    assert index(tmp_path / "facts.jsonl", memory=memory).updated == 1  # this source does say something
    text = memory.add(texts=["red"])
    assert memory.correct(text.id, texts=["blue"]).id == text.id
    with pytest.raises(QueryError, match="nothing without a text"):
        memory.correct(text.id, texts=[" "])


def test_a_record_that_is_not_there(filled: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordNotFoundError):
        filled.correct(NOBODY, texts=["x"])
    red = id_of(filled, "red")
    encode = filled.model.encode_texts

    def deleted_meanwhile(texts: list[str]) -> object:
        Memory.open(filled.path, create=False).delete(ids=[red])
        return encode(texts)

    monkeypatch.setattr(filled.model, "encode_texts", deleted_meanwhile)
    with pytest.raises(RecordNotFoundError):
        filled.correct(red, texts=["x"])
    assert len(filled) == 3


def test_similar_records(filled: Memory) -> None:
    red = id_of(filled, "red")
    found = filled.similar(red)
    assert names(found.hits)[0] == "orange"
    assert red not in {hit.record.id for hit in found}
    assert [hit.rank for hit in found] == [1, 2, 3]
    assert names(filled.similar(red, k=1, offset=1).hits) != names(filled.similar(red, k=1).hits)
    assert names(filled.similar(red, where="uri LIKE '%blue%'").hits) == ["blue"]
    with pytest.raises(QueryError, match="parentheses"):
        filled.similar(red, where="1 = 1) OR (1 = 1")
    with pytest.raises(RecordNotFoundError):
        filled.similar(NOBODY)


def test_similar_to_a_text(filled: Memory) -> None:
    text = filled.add(texts=["blue", "red"])
    assert names(filled.similar(text.id, k=1).hits) == ["blue"]


def test_vectors_that_are_at_hand(filled: Memory, photo_folder: Path) -> None:
    model = filled.model
    text, image = model.encode_texts(["red"])[0], model.encode_images([photo_folder / "blue.png"])[0]
    for encoded, given in (
        (EncodedQuery(model.id, text=text), {"text": "red"}),
        (EncodedQuery(model.id, image=image), {"image": photo_folder / "blue.png"}),
        (EncodedQuery(model.id, text, image), {"text": "red", "image": photo_folder / "blue.png"}),
    ):
        assert filled.search(given.get("text"), encoded=encoded).hits == filled.search(**given).hits
    with pytest.raises(QueryError, match="give one of them"):
        filled.search(vector=text, encoded=EncodedQuery(model.id, text=text))


def test_vectors_of_another_model_are_refused(filled: Memory, tmp_path: Path) -> None:
    text = filled.model.encode_texts(["red"])[0]
    encoded = EncodedQuery(filled.model.id, text=text)
    Memory.open(filled.path, create=False).migrate(make_tiny_bundle(tmp_path / "other", name="other", photo_side=8))
    with pytest.raises(MemoryStoreError, match="migrated to the model other"):
        filled.search("red", encoded=encoded)
    assert filled.current_model().card.name == "other"

"""Questions taught with their answers: what they are as records, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.errors import ImageError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Memory, index
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Another model: it sees eight pixels a side instead of sixteen."""
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "other", name="other", photo_side=8))


@pytest.fixture
def red(photo_folder: Path) -> Path:
    return photo_folder / "red.png"


def test_a_question_about_a_photo_is_a_record_with_its_picture(memory: Memory, red: Path) -> None:
    record = memory.add(image=red, question=" a blue dog? ", answer=" Rex ")
    assert (record.kind, record.source, record.uri, record.label) == ("qa", "manual", str(red), None)
    assert record.texts == ("a blue dog? Rex",)
    facts = {"question": "a blue dog?", "answer": "Rex", "image": str(red)}
    assert {name: record.meta[name] for name in facts} == facts
    assert record.meta["width"] == 24
    (info, (row,)) = memory.info(), memory.table.snapshot.row_ids("kind = 'qa'")
    assert (info.records, info.image_vectors, info.text_vectors) == (1, 1, 1)
    assert Memory.open(memory.path).record(record.id) == record
    assert int(row) in memory.table.snapshot.thumbs(np.array([row]))


def test_a_question_without_a_photo(memory: Memory) -> None:
    record = memory.add(question="a blue dog?", answer="Rex", source="friends")
    assert (record.kind, record.source, record.texts) == ("qa", "friends", ("a blue dog? Rex",))
    assert {name: record.meta.get(name) for name in ("question", "answer", "image")} == {
        "question": "a blue dog?", "answer": "Rex", "image": None
    }  # fmt: skip
    assert (memory.info().image_vectors, memory.info().text_vectors) == (0, 1)
    assert memory.add(question="a blue dog?", answer="Ada", source="friends").id == record.id
    assert memory.add(question="a blue dog?", answer="Ada").id != record.id
    assert memory.delete(missing_files=True) == 0  # it has no file that could be missing


def test_a_relative_path_is_the_same_photo(memory: Memory, red: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = memory.add(image=red, question="who?", answer="Ada")
    monkeypatch.chdir(red.parent)
    assert memory.add(image="red.png", question="who?", answer="Rex").id == first.id


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"question": "who?"}, "a question is taught with its answer: give both, or neither"),
        ({"answer": "Ada"}, "a question is taught with its answer"),
        ({"question": "who?", "answer": "  "}, "a question is taught with its answer"),
        ({"question": "", "answer": "Ada"}, "a question is taught with its answer"),
        ({"question": "who?", "texts": ["Ada"]}, "a question is taught with its answer"),
        ({"question": "who?", "answer": "Ada", "texts": ["a girl"]}, "are a record of their own: add texts and labels"),
        ({"question": "who?", "answer": "Ada", "texts": "a girl"}, "are a record of their own"),
        ({"question": "who?", "answer": "Ada", "label": "girl"}, "are a record of their own"),
        ({"question": " ", "answer": " "}, "nothing to add"),
    ],
)
def test_what_cannot_be_taught(memory: Memory, red: Path, given: dict, message: str) -> None:
    for image in (None, red):
        if message == "nothing to add" and image:
            continue  # the photo is something
        with pytest.raises(QueryError, match=message):
            memory.add(image=image, **given)
    assert len(memory) == 0


def test_blank_texts_and_labels_go_with_a_question(memory: Memory, red: Path) -> None:
    assert memory.add(image=red, question="who?", answer="Ada", texts=["", " "], label=" ").kind == "qa"


def test_a_question_about_a_photo_that_cannot_be_read(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_bytes(b"hello")
    for name in ("gone.png", "text.jpg"):
        with pytest.raises(ImageError, match=name):
            memory.add(image=tmp_path / name, question="who?", answer="Ada")
    assert len(memory) == 0


def test_what_the_photo_says_of_itself_is_left_to_its_own_record(
    memory: Memory, tmp_path: Path, make_photo: Callable[..., Path]
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Ada at the lake"
    photo = make_photo(tmp_path / "lake.jpg", "blue", exif=exif)
    assert memory.add(image=photo, question="who?", answer="Ada").texts == ("who? Ada",)
    assert memory.add(image=photo).texts == ("Ada at the lake",)
    assert len(memory) == 2


def test_the_photos_own_record_and_its_questions_leave_each_other_alone(filled: Memory, red: Path) -> None:
    (own,) = [hit.record for hit in filled.search("red", k=1)]
    asked = filled.add(image=red, question="who?", answer="Ada")
    taught = filled.add(image=red, texts=["a girl"], label="Ada")
    assert (taught.id, taught.texts, taught.label) == (own.id, ("a girl",), "Ada")
    assert filled.record(asked.id).texts == ("who? Ada",)
    report = index(red.parent, memory=filled)
    assert (report.added, report.updated, report.pruned, len(filled)) == (0, 0, 0, 5)
    assert filled.label_counts() == {"Ada": 1}


def test_a_question_is_no_duplicate_of_its_photo(filled: Memory, red: Path, photo_folder: Path) -> None:
    (photo_folder / "copy.png").write_bytes(red.read_bytes())
    index(photo_folder, memory=filled)
    before = filled.duplicates(near=True)
    assert before.groups  # photos of one colour look alike to it
    for question in ("who?", "where?"):
        filled.add(image=red, question=question, answer="Ada")
    after = filled.duplicates(near=True)
    assert (after.groups, after.look_alikes) == (before.groups, before.look_alikes)


@pytest.mark.parametrize("first", ["photo", "question"])
def test_an_audit_tells_how_the_photo_fares_and_not_its_question(memory: Memory, red: Path, first: str) -> None:
    for given in ({"texts": ["a girl"]}, {"question": "who?", "answer": "Ada"})[:: 1 if first == "photo" else -1]:
        memory.add(image=red, **given)
    report = memory.audit(red, query="red")
    assert sorted(record.kind for record in report.records) == ["image", "qa"]
    assert report.standing is not None
    assert report.standing.rank == 1


def test_another_model_sees_the_picture_of_a_question_and_finds_the_way_back(
    filled: Memory, other: Model, tiny_model: Model, red: Path
) -> None:
    asked = filled.add(image=red, question="a blue dog?", answer="Rex")
    said = filled.add(question="red?", answer="Ada")
    report = filled.migrate(other)
    assert (report.records, report.embedded, report.from_thumbs, report.without_picture) == (6, 6, 0, ())
    assert filled.record(asked.id).texts == asked.texts
    info = filled.info()
    assert (info.encoder_id, info.image_vectors, info.text_vectors) == (other.id, 5, 2)
    assert not [check for check in filled.verify(full=True) if not check.ok]
    assert {hit.record.id for hit in filled.search("red", kinds=["qa"])} == {asked.id, said.id}
    assert filled.rollback().encoder_id == tiny_model.id
    assert not [check for check in filled.verify(full=True) if not check.ok]


def test_a_question_survives_the_loss_of_its_photo_until_what_is_missing_is_deleted(
    memory: Memory, other: Model, red: Path
) -> None:
    asked = memory.add(image=red, question="a blue dog?", answer="Rex")
    red.unlink()
    assert memory.migrate(other).from_thumbs == 1
    assert memory.info().image_vectors == 1
    assert memory.missing() == [asked.id]
    assert memory.delete(missing_files=True) == 1
    assert len(memory) == 0


def test_a_question_is_deleted_without_its_photo(filled: Memory, red: Path) -> None:
    asked = filled.add(image=red, question="a blue dog?", answer="Rex")
    filled.add(image=red, question="who?", answer="Ada")
    assert filled.delete(ids=[asked.id]) == 1
    assert filled.delete(where="kind = 'qa'") == 1
    assert len(filled) == 4
    assert filled.search("red", k=1)[0].record.uri == str(red)
    assert red.exists()


def test_an_export_holds_questions_with_their_pictures(memory: Memory, red: Path, tmp_path: Path) -> None:
    asked = memory.add(image=red, question="a blue dog?", answer="Rex")
    memory.export(tmp_path / "all.parquet")
    copy = Memory.open(tmp_path / "copy.revln", model=memory.model)
    copy.import_file(tmp_path / "all.parquet")
    assert copy.record(asked.id) == asked
    assert (copy.info().image_vectors, copy.info().text_vectors) == (1, 1)


def test_a_question_follows_its_photo_to_another_folder(memory: Memory, red: Path) -> None:
    memory.add(image=red, question="who?", answer="Ada")
    moved = red.parent.rename(red.parent.with_name("moved"))
    assert memory.relocate(red.parent, moved) == 1
    again = memory.add(image=moved / "red.png", question="who?", answer="Rex")
    assert (len(memory), memory.record(again.id).texts) == (1, ("who? Rex",))

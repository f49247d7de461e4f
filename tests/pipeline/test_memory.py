"""A memory in use: opening, searching, teaching, deleting."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.config import default_memory
from revln.errors import BundleError, ImageError, MemoryStoreError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Memory, index
from revln.store import Row
from revln.types import Candidate
from tiny_bundle import make_tiny_bundle


def names(hits) -> list[str]:
    return [Path(hit.record.uri).stem for hit in hits]


# --- opening


def test_a_memory_is_made_when_missing_and_remembers_its_model(tmp_path: Path, tiny_bundle: Path) -> None:
    made = Memory.open(tmp_path / "m", model=tiny_bundle)
    assert (len(made), made.path) == (0, tmp_path / "m")
    assert Memory.open(tmp_path / "m").model.id == made.model.id


def test_the_default_memory(tiny_bundle: Path) -> None:
    assert Memory.open(model=tiny_bundle).path == default_memory()
    assert len(Memory.open(create=False)) == 0


def test_no_memory_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(MemoryStoreError, match=r"no memory at .*nothing: make one with `revln index"):
        Memory.open(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()


def test_an_unknown_model_makes_no_memory(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model 'nonsense'"):
        Memory.open(tmp_path / "m", model="nonsense")
    assert not (tmp_path / "m").exists()


def test_another_model_is_refused(filled: Memory, tmp_path: Path) -> None:
    other = make_tiny_bundle(tmp_path / "other", photo_side=8)
    with pytest.raises(MemoryStoreError, match=r"was made with the model tiny-1-.*, not tiny-1-"):
        Memory.open(filled.path, model=other)


def test_an_upgrade_locks_nobody_out(tmp_path: Path, photo_folder: Path) -> None:
    directory = make_tiny_bundle(tmp_path / "installed")
    memory = Memory.open(tmp_path / "m", model=directory)
    index(photo_folder, memory=memory)
    shutil.rmtree(directory)
    again = Memory.open(tmp_path / "m")
    assert names(again.search("red", k=1)) == ["red"]
    again.add(image=photo_folder / "green.png", texts=["grass"])
    assert len(again) == 4


def test_a_model_that_is_gone_is_named_and_the_records_are_still_there(
    filled: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVLN_DATA", str(tmp_path / "another user's"))
    opened = Memory.open(filled.path)
    assert opened.info().records == len(opened) == 4
    with pytest.raises(MemoryStoreError, match=r"was made with the model tiny-1-.*, which is not at hand"):
        opened.search("red")
    assert opened.delete(where="uri LIKE '%red%'") == 1


def test_a_memory_that_another_process_makes_meanwhile_is_opened(
    tmp_path: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory.open(tmp_path / "m", model=tiny_model)
    answers = iter([False, True])  # missing when looked for, there when it is to be made
    monkeypatch.setattr("revln.pipeline.memory._is_memory", lambda directory: next(answers))
    assert len(Memory.open(tmp_path / "m", model=tiny_model)) == 0


def test_a_folder_of_other_things_is_no_place_for_a_memory(photo_folder: Path, tiny_model: Model) -> None:
    with pytest.raises(MemoryStoreError, match="holds other things"):
        Memory.open(photo_folder, model=tiny_model)


# --- searching


def test_by_text(filled: Memory) -> None:
    found = filled.search("red")
    assert names(found)[:2] == ["red", "orange"]
    assert len(found) == 4
    assert found[0].score == pytest.approx(1, abs=1e-3)
    assert found[1].score == pytest.approx(255 / np.hypot(255, 128), abs=1e-3)
    assert found.matched
    assert found.warnings == ()
    assert [hit.rank for hit in found] == [1, 2, 3, 4]


def test_by_image(filled: Memory, photo_folder: Path) -> None:
    for image in (photo_folder / "blue.png", str(photo_folder / "blue.png"), Image.new("RGB", (9, 9), "blue")):
        assert names(filled.search(image=image, k=1)) == ["blue"]
    assert names(filled.search(image=np.full((4, 4, 3), (0, 200, 0), np.uint8), k=1)) == ["green"]


def test_by_vector(filled: Memory) -> None:
    for vector in ([0, 0, 7.0, 0], np.array([[0, 0, 1, 0]]), np.array([0, 0, 1e-20, 0])):
        assert names(filled.search(vector=vector, k=1)) == ["blue"]


@pytest.mark.parametrize(
    "vector", [[1, 0, 0], np.ones((2, 4)), [np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [1e300, 1e300, 0, 0], [0, 0, 0, 0],
               [], ["a", "b", "c", "d"]],
)  # fmt: skip
def test_an_unusable_vector_is_refused(filled: Memory, vector: object) -> None:
    with pytest.raises(QueryError, match="the vector"):
        filled.search(vector=vector)


def test_by_text_and_image_together(filled: Memory, photo_folder: Path) -> None:
    blue = photo_folder / "blue.png"

    def scores(weight: float) -> dict[str, float]:
        return {Path(hit.record.uri).stem: hit.score for hit in filled.search("red", blue, text_weight=weight)}

    assert scores(0.0) == {Path(h.record.uri).stem: h.score for h in filled.search(image=blue)}
    assert scores(1.0) == {Path(h.record.uri).stem: h.score for h in filled.search("red")}
    # The tiny background spreads alike in all directions: half and half is the mean of the two.
    assert scores(0.5) == pytest.approx(
        {"red": 2**-0.5, "blue": 2**-0.5, "green": 0.0, "orange": 255 / np.hypot(255, 128) * 2**-0.5}, abs=1e-3
    )
    assert scores(0.25)["blue"] > scores(0.25)["red"]
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(QueryError, match="the text weight is"):
            scores(weight)


def test_by_words_and_by_both(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory, captions=write_captions(photo_folder, {"blue.png": ["a red boat"]}))
    assert set(names(memory.search("boat", mode="text"))) == {"blue"}
    assert names(memory.search("red", mode="text"))[0] in {"red", "blue"}  # the file's name is a word too
    hybrid = memory.search("boat", mode="hybrid", k=4)
    assert names(hybrid)[0] == "blue"
    assert len(hybrid) == 4
    assert hybrid[0].text == "a red boat"
    with pytest.raises(QueryError, match="mode text needs a text"):
        memory.search(image=photo_folder / "red.png", mode="text")
    with pytest.raises(QueryError, match="unknown mode"):
        memory.search("red", mode="fuzzy")


def write_captions(folder: Path, captions: dict[str, list[str]]) -> Path:
    path = folder.parent / "captions.csv"
    rows = [f"{name},{caption}" for name, texts in captions.items() for caption in texts]
    path.write_text("\n".join(["image,caption", *rows]) + "\n", encoding="utf-8")
    return path


def test_where(filled: Memory) -> None:
    assert set(names(filled.search("red", where="uri LIKE '%green%' OR uri LIKE '%blue%'"))) == {"green", "blue"}
    assert names(filled.search("red", where="width > 1000")) == []
    for bad in ("nonsense = 1", "1 = 1; DROP TABLE records", "uri LIKE"):
        with pytest.raises(QueryError):
            filled.search("red", where=bad)


def test_pages_do_not_overlap_and_leave_nothing_out(memory: Memory, tmp_path: Path, make_photo: Callable) -> None:
    for number in range(11):  # all alike: only a fixed order of ties keeps the pages apart
        make_photo(tmp_path / "same" / f"{number}.png", "red")
    index(tmp_path / "same", memory=memory)
    pages = [memory.search("red", k=4, offset=offset) for offset in (0, 4, 8, 12)]
    assert [len(page) for page in pages] == [4, 4, 3, 0]
    assert len({hit.record.id for page in pages for hit in page}) == 11
    assert [hit.rank for page in pages for hit in page] == list(range(1, 12))


def test_min_score_and_no_match(filled: Memory) -> None:
    assert names(filled.search("red", min_score=0.5)) == ["red", "orange"]
    nothing = filled.search("a dog")  # along the axis that no photo has
    assert not nothing.matched
    assert [hit.score for hit in nothing] == pytest.approx([0, 0, 0, 0])
    assert not filled.search("red", where="width > 1000").matched


def test_an_empty_memory_finds_nothing(memory: Memory) -> None:
    found = memory.search("red")
    assert (len(found), found.matched) == (0, False)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_query(filled: Memory, text: str) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        filled.search(text)
    with pytest.raises(QueryError, match="nothing to search for"):
        filled.search()


def test_numbers_out_of_range(filled: Memory) -> None:
    for options in ({"k": 0}, {"k": -1}, {"offset": -1}):
        with pytest.raises(QueryError, match=r"k is|offset is"):
            filled.search("red", **options)


def test_two_ways_to_ask_at_once(filled: Memory) -> None:
    with pytest.raises(QueryError, match="a vector is given together"):
        filled.search("red", vector=[1, 0, 0, 0])


def test_an_unreadable_query_image(filled: Memory, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        filled.search(image=tmp_path / "gone.jpg")


def test_a_foreign_script_is_warned_of(filled: Memory) -> None:
    (warning,) = filled.search("雪地里的狗").warnings
    assert "Chinese script" in warning
    assert "en" in warning


def test_bytes_that_are_no_text_are_searched_for_all_the_same(filled: Memory) -> None:
    assert len(filled.search("red \udcff", mode="hybrid")) == 4


# --- threads and processes


ADD = """
import sys
from revln.pipeline import Memory
Memory.open(sys.argv[1], create=False).add(image=sys.argv[2], texts=["a scarlet door"])
"""


def test_a_reader_sees_what_another_process_adds(filled: Memory, tmp_path: Path, make_photo: Callable) -> None:
    assert len(filled.search("red")) == 4
    door = make_photo(tmp_path / "door.png", (220, 0, 0))
    subprocess.run([sys.executable, "-c", ADD, filled.path, door], check=True)
    assert names(filled.search("red", mode="hybrid", where="source = 'manual'")) == ["door"]
    assert len(filled) == 5


def test_threads_search_while_one_writes(filled: Memory, tmp_path: Path, make_photo: Callable) -> None:
    photos = [make_photo(tmp_path / "new" / f"{number}.png", (number * 20, 10, 200)) for number in range(12)]

    def search(writing: Future[None]) -> list[int]:
        lengths = []
        while not writing.done():
            lengths.append(len(filled.search("red", k=50)))
        return lengths

    def write() -> None:
        for photo in photos:
            filled.add(image=photo)

    with ThreadPoolExecutor(6) as pool:
        writing = pool.submit(write)
        searching = [pool.submit(search, writing) for _ in range(5)]
        writing.result()
        for lengths in (each.result() for each in searching):
            assert all(4 <= length <= 16 for length in lengths)
    assert len(filled.search("red", k=50)) == 16


# --- teaching


def test_teaching_a_photo_with_texts_and_a_label(memory: Memory, photo_folder: Path) -> None:
    record = memory.add(image=photo_folder / "green.png", texts=["a blue thing", " "], label=" grass ")
    assert (record.texts, record.label, record.kind, record.source) == (("a blue thing",), "grass", "image", "manual")
    assert record.uri == str(photo_folder / "green.png")
    assert record.meta["width"] == 24
    (hit,) = memory.search("blue")
    assert hit.record == record
    assert hit.score == pytest.approx(1 / np.sqrt(5), abs=1e-3)  # "a blue thing": one part blue, two of other words
    assert memory.label_counts() == {"grass": 1}


def test_teaching_twice_replaces(memory: Memory, photo_folder: Path) -> None:
    first = memory.add(image=photo_folder / "green.png", texts=["one"])
    second = memory.add(image=photo_folder / "green.png", texts=["two"], label="new")
    assert first.id == second.id
    assert (len(memory), second.texts, second.label) == (1, ("two",), "new")
    assert memory.add(image=photo_folder / "green.png", source="other").id != first.id


def test_a_photo_that_was_indexed_keeps_its_record(memory: Memory, photo_folder: Path) -> None:
    index(photo_folder, memory=memory, captions=write_captions(photo_folder, {"green.png": ["grass"]}))
    (hit,) = memory.search("green", k=1)
    taught = memory.add(image=photo_folder / "green.png", label="meadow")
    assert (taught.id, taught.source, taught.texts, taught.label) == (hit.record.id, "files", ("grass",), "meadow")
    taught = memory.add(image=photo_folder / "green.png", texts=["a green field", "spring"])
    assert (taught.id, taught.texts, taught.label) == (hit.record.id, ("a green field", "spring"), "meadow")
    assert len(memory) == 4
    report = index(photo_folder, memory=memory)
    assert (report.updated, report.unchanged) == (0, 4)  # what was taught stays
    assert memory.search("green", k=1)[0].record.texts == ("a green field", "spring")
    assert memory.add(image=photo_folder / "green.png", source="other").source == "other"
    assert len(memory) == 5


def test_what_a_text_was_taught_with_stays_when_its_photo_is_taught_again(memory: Memory, photo_folder: Path) -> None:
    memory.add(image=photo_folder / "red.png", texts=["one"], label="door")
    kept = memory.add(image=photo_folder / "red.png")
    assert (kept.texts, kept.label, kept.source, len(memory)) == (("one",), "door", "manual", 1)


def test_one_text_may_be_given_as_a_string(memory: Memory, photo_folder: Path) -> None:
    assert memory.add(image=photo_folder / "green.png", texts="Ada on the beach").texts == ("Ada on the beach",)


def test_a_photos_own_caption_is_learnt_as_indexing_does(
    memory: Memory, tmp_path: Path, make_photo: Callable[..., Path]
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Ada at the lake"
    photo = make_photo(tmp_path / "p" / "lake.jpg", "blue", exif=exif)
    assert memory.add(image=photo, texts=["water"]).texts == ("water", "Ada at the lake")
    index(photo.parent, memory=memory)
    (indexed,) = memory.search("water", where="source = 'files'")
    assert indexed.record.texts == ("Ada at the lake",)


def test_knowledge_without_a_photo_is_shown_only_if_asked_for(filled: Memory) -> None:
    record = filled.add(texts=["red roses bloom in June"], label="roses")
    assert record.kind == "text"
    assert all(hit.record.kind == "image" for hit in filled.search("red", k=50))
    (hit,) = filled.search("red", kinds=["text"])
    assert (hit.record.id, hit.text) == (record.id, "red roses bloom in June")
    assert len(filled.search("red", kinds=["text", "image"])) == 5
    with pytest.raises(QueryError, match="unknown kinds"):
        filled.search("red", kinds=["rumour"])
    assert filled.delete(missing_files=True) == 0  # it has no file that could be missing


def test_nothing_to_teach(memory: Memory, tmp_path: Path) -> None:
    for texts in ((), ("  ",), ""):
        with pytest.raises(QueryError, match="nothing to add"):
            memory.add(texts=texts, label="x")
    for name, content in (("gone.png", None), ("text.jpg", b"hello")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=name):
            memory.add(image=tmp_path / name)
    assert len(memory) == 0


def test_what_was_added_is_returned_though_another_process_deletes_it_at_once(
    filled: Memory, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Memory.open(filled.path)
    store = filled.table.upsert_arrow

    def store_and_lose(*arguments, **options):
        done = store(*arguments, **options)
        other.delete(where="kind IS NOT NULL")
        filled.table.refresh()  # as a search in another thread does
        return done

    with monkeypatch.context() as patch:
        patch.setattr(filled.table, "upsert_arrow", store_and_lose)
        record = filled.add(image=photo_folder / "red.png", texts=["Ada"], label="girl")
    assert (record.uri, record.texts, record.label) == (str(photo_folder / "red.png"), ("Ada",), "girl")
    assert len(filled) == 0
    again = filled.add(image=photo_folder / "red.png", texts=["Ada"], label="girl")
    assert filled.search("red")[0].record == again


# --- deleting, moving, looking


def test_deleting_by_filter_and_by_id(filled: Memory) -> None:
    ids = {Path(hit.record.uri).stem: hit.record.id for hit in filled.search("red")}
    assert filled.delete(where="uri LIKE '%green%'") == 1
    assert filled.delete(ids=[ids["red"], ids["green"], "nonsense"]) == 1
    assert filled.delete(ids=[]) == 0
    assert sorted(names(filled.search("red"))) == ["blue", "orange"]


def test_deleting_what_is_missing_never_what_cannot_be_looked_at(filled: Memory, photo_folder: Path) -> None:
    (photo_folder / "red.png").unlink()
    # Looking fails, as it does without permission or on a drive that does not answer: a link that leads to itself.
    (photo_folder / "blue.png").unlink()
    (photo_folder / "blue.png").symlink_to(photo_folder / "blue.png")
    assert filled.delete(missing_files=True) == 1
    assert sorted(names(filled.search("red"))) == ["blue", "green", "orange"]


def test_a_photo_in_an_archive_is_missing_when_the_archive_is(memory: Memory, tmp_path: Path) -> None:
    archive = tmp_path / "shard.tar"
    archive.touch()
    photo = Candidate("files", "image", f"{archive}/1.jpg", archive, 1, 1)
    memory.table.upsert([Row(photo, image_vector=np.array([1, 0, 0, 0], np.float32))])
    assert memory.missing() == []
    assert memory.audit(photo.uri).is_found
    archive.unlink()
    assert memory.missing() == [photo.id]


def test_a_purge_removes_every_trace(filled: Memory, photo_folder: Path) -> None:
    filled.add(image=photo_folder / "red.png", texts=["zanzibar secret"])
    (row,) = filled.table.snapshot.row_ids("uri LIKE '%red%'")
    thumb = filled.table.snapshot.thumbs(np.array([row]))[int(row)]
    (filled.path / "index").mkdir(exist_ok=True)
    (filled.path / "index" / "derived").write_bytes(thumb)

    def traces() -> list[str]:
        files = [path for path in filled.path.rglob("*") if path.is_file()]
        return [path.name for path in files if thumb in (held := path.read_bytes()) or b"zanzibar" in held]

    assert traces()
    assert filled.delete(where="uri LIKE '%red%'", purge=True) == 1
    assert traces() == []
    assert sorted(names(filled.search("red"))) == ["blue", "green", "orange"]


def test_deleting_needs_one_way_to_say_what(filled: Memory) -> None:
    for options in ({}, {"where": "width > 0", "ids": ["x"]}, {"ids": ["x"], "missing_files": True}):
        with pytest.raises(QueryError, match="say which records"):
            filled.delete(**options)
    with pytest.raises(QueryError):
        filled.delete(where="width > 0; DROP TABLE records")
    assert len(filled) == 4


def test_photos_that_were_moved_are_followed(filled: Memory, photo_folder: Path) -> None:
    before = {hit.record.uri: hit.score for hit in filled.search("red")}
    new = photo_folder.rename(photo_folder.with_name("moved"))
    assert filled.relocate(photo_folder, new) == 4
    after = {hit.record.uri: hit.score for hit in filled.search("red")}
    assert after == {uri.replace("/photos/", "/moved/"): score for uri, score in before.items()}
    assert filled.missing() == []
    report = index(new, memory=filled)
    assert (report.added, report.updated, report.unchanged) == (0, 0, 4)


def test_thumbs(filled: Memory) -> None:
    (hit,) = filled.search("red", k=1)
    text = filled.add(texts=["no picture"])
    thumbs = filled.thumbs([hit.record.id, text.id, "nonsense"])
    assert list(thumbs) == [hit.record.id]
    with Image.open(BytesIO(thumbs[hit.record.id])) as thumb:
        assert (thumb.format, thumb.size) == ("WEBP", (24, 16))
    assert filled.thumbs([]) == {}


def test_info(filled: Memory) -> None:
    facts = filled.info()
    assert (facts.records, facts.kinds, facts.sources, facts.image_vectors) == (4, {"image": 4}, {"files": 4}, 4)
    assert facts.encoder_id == load_model("tiny").id


def test_storage_adds_up(filled: Memory, photo_folder: Path) -> None:
    filled.add(image=photo_folder / "red.png", texts=["a red door"])
    storage = filled.storage()
    sizes = dict(storage.sizes)
    assert min(sizes[name] for name in ("facts", "thumbs", "vectors", "text_index", "old_versions")) > 0
    assert sizes["other_vectors"] == sizes["vector_index"] == 0
    assert sum(sizes.values()) <= filled.info().bytes
    assert (storage.skipped, storage.lock.held, storage.previous, storage.unfinished) == (0, False, None, ())
    filled.compact(purge=True)
    assert filled.storage().sizes["old_versions"] < sizes["old_versions"]
    with filled.table.transaction("look at"):
        state = Memory.open(filled.path).storage().lock
    assert state.held
    assert "process" in (state.owner or "")

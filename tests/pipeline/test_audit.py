"""Why a photo is found, or is not: each reason there is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from revln.errors import QueryError
from revln.pipeline import Memory, index
from revln.pipeline.audit import AuditReport


def said(report: AuditReport) -> str:
    return "\n".join(report.because)


def test_a_photo_that_is_there(filled: Memory, photo_folder: Path) -> None:
    report = filled.audit(photo_folder / "red.png")
    assert report.is_found
    (record,) = report.records
    assert (record.source, record.kind, record.is_changed) == ("files", "image", False)
    assert "it is in the memory as" in said(report)
    assert report.to_dict()["found"] is True


def test_a_photo_that_changed_and_one_that_is_gone(filled: Memory, photo_folder: Path, make_photo: Callable) -> None:
    make_photo(photo_folder / "red.png", "blue", size=(50, 50))
    assert "has changed since: index it again" in said(filled.audit(photo_folder / "red.png"))
    (photo_folder / "green.png").unlink()
    report = filled.audit(photo_folder / "green.png")
    assert (report.exists, report.is_found) == (False, True)
    assert "no such file" in said(report)


def test_a_copy_under_another_name(filled: Memory, photo_folder: Path, tmp_path: Path) -> None:
    shutil.copy(photo_folder / "red.png", tmp_path / "copy.png")
    report = filled.audit(tmp_path / "copy.png")
    assert not report.is_found
    assert report.copies == (str(photo_folder / "red.png"),)
    assert "the same bytes are in the memory as" in said(report)


def test_a_file_that_was_skipped_until_it_can_be_read(
    filled: Memory, photo_folder: Path, make_photo: Callable[..., Path]
) -> None:
    bad = photo_folder / "bad.jpg"
    bad.write_bytes(b"hello")
    report = index(photo_folder, memory=filled)
    filled.table.remember_skips("files", report.skipped)
    found = filled.audit(bad)
    assert [(skip.source, skip.reason) for skip in found.skips] == [("files", "not an image")]
    assert "it was skipped at 20" in said(found)
    assert filled.storage().skipped == 1
    make_photo(bad, "red")
    index(photo_folder, memory=filled)
    assert filled.audit(bad).skips == ()
    assert filled.audit(bad).is_found


@pytest.mark.parametrize(
    ("name", "reason"),
    [(".hidden/a.png", ".hidden is hidden"), ("notes.docx", ".docx is no kind of photo"), ("x/@eaDir/a.jpg", "@eaDir")],
)
def test_a_file_that_indexing_passes_over(filled: Memory, tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert reason in (filled.audit(path).excluded or "")


def test_a_photo_that_was_never_indexed(filled: Memory, tmp_path: Path, make_photo: Callable[..., Path]) -> None:
    report = filled.audit(make_photo(tmp_path / "new.png", "red"))
    assert not report.is_found
    assert "index its folder" in said(report)


def test_where_a_photo_stands_in_a_search(filled: Memory, photo_folder: Path) -> None:
    standing = filled.audit(photo_folder / "orange.png", query="red").standing
    assert standing is not None
    assert (standing.rank, standing.is_matched) == (2, True)
    assert standing.score == pytest.approx(filled.search("red")[1].score)
    far = filled.audit(photo_folder / "blue.png", query="red")
    assert far.standing is not None
    assert not far.standing.is_matched
    assert "does not fit well (0 %)" in said(far)


def test_which_part_of_a_filter_leaves_a_photo_out(filled: Memory, photo_folder: Path) -> None:
    where = "width BETWEEN 10 AND 50 AND (height > 900 OR height < 2) AND source = 'files' AND label = 'a AND b'"
    report = filled.audit(photo_folder / "red.png", query="red", where=where)
    assert report.standing is not None
    assert report.standing.left_out_by == ("--where: (height > 900 OR height < 2)", "--where: label = 'a AND b'")
    assert not report.is_found
    either = filled.audit(photo_folder / "red.png", query="red", where="width > 999 AND height > 1 OR width = 3")
    assert either.standing is not None
    assert either.standing.left_out_by == ("--where: width > 999 AND height > 1 OR width = 3",)
    assert filled.audit(photo_folder / "red.png", query="red", where="width > 1").is_found
    with pytest.raises(QueryError, match="unknown column"):
        filled.audit(photo_folder / "red.png", query="red", where="nonsense = 1")
    with pytest.raises(QueryError, match="say what was looked for"):
        filled.audit(photo_folder / "red.png", where="width > 1")


def test_a_query_about_a_photo_that_is_not_there(filled: Memory, tmp_path: Path) -> None:
    assert filled.audit(tmp_path / "nowhere.png", query="red").standing is None

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from revln.cli.index import show_report
from revln.types import IndexReport, Skipped


def test_counts_as_json(run_json, photos, tmp_path) -> None:
    report = run_json("index", photos, "--memory", tmp_path / "m")
    assert report.pop("seconds") > 0
    assert report == {"added": 3, "updated": 0, "unchanged": 0, "skipped": [], "ignored": 1, "pruned": 0, "records": 3}
    assert run_json("index", photos, "--memory", tmp_path / "m")["unchanged"] == 3


def test_makes_the_default_memory(run, run_json, photos, home) -> None:
    assert run("index", photos).exit_code == 0
    assert (home / "memory.revln" / "memory.json").exists()
    assert run_json("search", "red")["hits"]


def test_bad_files_are_listed_and_do_not_fail(run, tmp_path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "good.png")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("hello")
    result = run("index", folder, "--memory", tmp_path / "m")
    assert result.exit_code == 0
    assert "1 added; 2 skipped" in result.stdout
    assert "mixed/empty.jpg: empty file" in result.stdout
    assert "mixed/text.jpg: not an image" in result.stdout


def test_a_long_list_of_skipped_files_is_cut(capsys) -> None:
    skipped = tuple(Skipped(f"/photos/{number}.jpg", "empty file") for number in range(25))
    show_report(IndexReport(0, 0, 0, skipped, 0, 0, 0, 1.0))
    printed = capsys.readouterr().out
    assert printed.count("empty file") == 20
    assert "... and 5 more (use --json for all)" in printed


def test_options_reach_the_index(run_json, photos, tmp_path) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\nred/red.jpg,a crimson wall\n")
    run_json(
        "index", photos, "--memory", "m", "--captions", captions, "--labels-from-folders", "--source", "walls",
        "--exclude", "blue", "--exclude", "*.txt",
    )  # fmt: skip
    hits = run_json("search", "red", "--memory", "m")["hits"]
    assert [(hit["label"], hit["source"]) for hit in hits] == [("red", "walls"), ("green", "walls")]
    assert hits[0]["text"] == "a crimson wall"


def test_prune(run_json, run, tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(folder / f"{colour}.png")
    run("index", folder, "--memory", "m")
    (folder / "red.png").unlink()
    assert run_json("index", folder, "--memory", "m")["records"] == 2
    report = run_json("index", folder, "--memory", "m", "--prune")
    assert (report["pruned"], report["records"]) == (1, 1)


def test_a_misspelt_path_makes_no_memory(run, tmp_path) -> None:
    result = run("index", tmp_path / "nowhere", "--memory", tmp_path / "m")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "nowhere: no such file or folder" in result.stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"image,caption\nr.jpg,caf\xe9\n", "line 2"), (b"a,b\nc,d\n", "names no column image")],
)
def test_bad_caption_files(run, photos, tmp_path: Path, content: bytes | None, message: str) -> None:
    captions = tmp_path / "captions.csv"
    if content is not None:
        captions.write_bytes(content)
    result = run("index", photos, "--memory", "m", "--captions", captions)
    assert result.exit_code == 1
    assert f"error: {captions}" in result.stderr
    assert message in result.stderr
    assert result.stdout == ""


def test_an_unknown_model(run, photos) -> None:
    result = run("index", photos, "--memory", "m", "--model", "nonsense")
    assert result.exit_code == 1
    assert "error: no model 'nonsense': give a bundle directory or one of: base" in result.stderr

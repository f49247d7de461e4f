"""``revln memory``: what its commands print, as JSON and for people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from revln.models import load_model
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "other", name="other", photo_side=8)


def test_info_says_where_the_bytes_are(run, run_json, memory) -> None:
    info = run_json("memory", "info", "--memory", memory)
    assert info["sizes"]["vectors"] > 0
    assert (info["skipped"], info["lock"]["held"], info["previous_encoder"]) == (0, False, None)
    shown = run("memory", "info", "--memory", memory).stdout
    assert "MB thumbs" in shown
    assert "lock          free" in shown


def test_purging(run_json, memory) -> None:
    done = run_json("memory", "delete", "--where", "label = 'red'", "--purge", "--memory", memory)
    assert done == {"deleted": 1}
    before = run_json("memory", "info", "--memory", memory)["bytes"]
    done = run_json("memory", "compact", "--purge", "--memory", memory)
    # Whether it has become smaller is up to the store: a table that is written anew may take a few bytes more.
    assert done == {"bytes_before": before, "bytes": run_json("memory", "info", "--memory", memory)["bytes"]}


def test_teaching_a_photo_that_was_indexed(run_json, memory, photos) -> None:
    photo = photos / "red" / "red.jpg"
    added = run_json("memory", "add", "--image", photo, "--text", "Ada's wall", "--memory", memory)
    assert (added["source"], added["label"], added["texts"]) == ("files", "red", ["Ada's wall"])


def test_verify(run, run_json, memory, tmp_path) -> None:
    found = run_json("memory", "verify", "--memory", memory, "--full")
    assert found["ok"]
    assert set(found["checks"][0]) == {"check", "ok", "detail", "repair"}
    (memory / ".memory.json.1").write_text("{")
    result = run("memory", "verify", "--memory", memory)
    assert result.exit_code == 1
    assert "WRONG" in result.stdout
    assert "left-overs" in result.stdout
    assert run("memory", "verify", "--memory", memory, "--repair").exit_code == 0
    assert run("memory", "verify", "--memory", memory).exit_code == 0
    (memory / "memory.json").write_text("{")
    result = run("memory", "verify", "--memory", memory, "--json")
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (1, False)
    result = run("memory", "verify", "--memory", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: no memory at" in result.stderr


def test_duplicates(run, run_json, tmp_path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.linear_gradient("L").save(folder / "one.png")
    shutil.copy(folder / "one.png", folder / "two.png")
    Image.linear_gradient("L").resize((100, 100)).save(folder / "small.png")
    run_json("index", folder, "--memory", tmp_path / "m")
    (group,) = run_json("memory", "duplicates", "--memory", tmp_path / "m")["groups"]
    assert (group["kind"], group["keep"]) == ("exact", str(folder / "one.png"))
    (group,) = run_json("memory", "duplicates", "--near", "--memory", tmp_path / "m")["groups"]
    assert [Path(it["uri"]).name for it in group["records"]] == ["one.png", "two.png", "small.png"]
    assert "keep  photos/one.png (256 x 256" in run("memory", "duplicates", "--near", "--memory", tmp_path / "m").stdout
    result = run("memory", "duplicates", "--near", "--threshold", "7", "--memory", tmp_path / "m")
    assert (result.exit_code, "the threshold is 7.0" in result.stderr) == (1, True)


def test_duplicates_of_none(run, memory) -> None:
    assert run("memory", "duplicates", "--memory", memory).stdout == "No duplicates.\n"


def test_audit(run, run_json, memory, photos) -> None:
    photo = photos / "red" / "red.jpg"
    found = run_json("memory", "audit", photo, "--query", "red", "--where", "width > 1", "--memory", memory)
    assert (found["found"], found["standing"]["rank"], found["excluded"]) == (True, 1, None)
    shown = run("memory", "audit", photos / "notes.txt", "--memory", memory).stdout
    assert shown.splitlines()[0].endswith("notes.txt: not found")
    assert ".txt is no kind of photo" in shown


def test_migrate_and_rollback(run, run_json, memory, other) -> None:
    before = run_json("search", "red", "--memory", memory)["hits"]
    done = run_json("memory", "migrate", "--model", other, "--memory", memory)
    assert (done["encoder_id"], done["records"], done["embedded"]) == (load_model(other).id, 3, 3)
    assert run_json("search", "red", "--memory", memory)["hits"] == before
    shown = run("memory", "rollback", "--memory", memory).stdout
    assert shown.startswith("3 records now use tiny-1-")
    assert "`revln memory rollback` returns to other-1-" in shown
    run_json("memory", "compact", "--drop-old", "--memory", memory)
    result = run("memory", "rollback", "--memory", memory)
    assert result.exit_code == 1
    assert "holds no vectors of an earlier model: use `revln memory migrate" in result.stderr
    assert run("memory", "migrate", "--memory", memory).exit_code == 2


def test_export_and_import(run, run_json, memory, tmp_path) -> None:
    out = tmp_path / "out.parquet"
    done = run_json("memory", "export", out, "--vectors", "--memory", memory)
    assert (done["records"], done["bytes"]) == (3, out.stat().st_size)
    done = run_json("memory", "import", out, "--memory", tmp_path / "new")
    assert (done["added"], done["embedded"], done["records"]) == (3, 0, 3)
    assert "0 added; 0 updated; 3 unchanged" in run("memory", "import", out, "--memory", tmp_path / "new").stdout
    ids = [[hit["id"] for hit in run_json("search", "red", "--memory", m)["hits"]] for m in (memory, tmp_path / "new")]
    assert ids[0] == ids[1]
    result = run("memory", "import", tmp_path / "gone.parquet", "--memory", tmp_path / "never")
    assert result.exit_code == 1
    assert "No such file" in result.stderr
    assert not (tmp_path / "never").exists()


def test_an_import_makes_a_memory_of_the_exports_model(run_json, memory, other, tmp_path) -> None:
    run_json("memory", "migrate", "--model", other, "--memory", memory)
    run_json("memory", "export", tmp_path / "out.parquet", "--vectors", "--memory", memory)
    assert run_json("memory", "import", tmp_path / "out.parquet", "--memory", tmp_path / "new")["embedded"] == 0
    assert run_json("memory", "info", "--memory", tmp_path / "new")["encoder_id"] == load_model(other).id

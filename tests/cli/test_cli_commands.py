from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from revln.cli import checks, processor


def test_classify_by_the_memory(run, run_json, memory, photos) -> None:
    photo = photos / "red" / "red.jpg"
    (answer,) = run_json("classify", photo, "--memory", memory)["results"]
    assert (answer["uri"], answer["label"]) == (str(photo), "red")
    assert answer["evidence"][0]["label"] == "red"
    assert "red" in run("classify", photo, "--memory", memory).stdout


def test_classify_by_labels_asks_no_default_memory(run_json, photos) -> None:
    files = [photos / name / f"{name}.jpg" for name in ("blue", "green")]
    results = run_json("classify", *files, "--labels", "green, blue")["results"]
    assert [answer["label"] for answer in results] == ["blue", "green"]
    assert all(answer["evidence"] == [] for answer in results)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jpg", "--labels", "a,b"], "error: nowhere.jpg: no such file"),
        (["nowhere.jpg", "--labels", " , "], "error: --labels names no class"),
        (["nowhere.jpg", "--memory", "nowhere"], "error: no memory at nowhere"),
    ],
)
def test_classify_errors(run, arguments: list[str], message: str) -> None:
    result = run("classify", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)


def test_classify_goes_on_after_an_unreadable_photo(run, memory, photos) -> None:
    result = run("classify", "nowhere.jpg", photos / "red" / "red.jpg", "--memory", memory, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert result.stderr == "error: nowhere.jpg: no such file\n"
    assert [answer["label"] for answer in found["results"]] == ["red"]
    assert found["skipped"] == [{"path": "nowhere.jpg", "reason": "no such file"}]


def test_memory_info(run, run_json, memory) -> None:
    info = run_json("memory", "info", "--memory", memory)
    assert (info["path"], info["records"], info["kinds"], info["dim"]) == (str(memory), 3, {"image": 3}, 4)
    assert "3 from files" in run("memory", "info", "--memory", memory).stdout


def test_memory_add_and_delete(run, run_json, memory, photos) -> None:
    photo = photos / "red" / "red.jpg"
    added = run_json("memory", "add", "--image", photo, "--text", "Ada's wall", "--label", "wall", "--memory", memory)
    assert (added["texts"], added["label"], added["source"]) == (["Ada's wall"], "wall", "files")
    assert "added a fact" in run("memory", "add", "--text", "a fact", "--memory", memory).stdout
    assert run_json("memory", "delete", "--id", added["id"], "--memory", memory) == {"deleted": 1}
    result = run("memory", "delete", "--where", "kind = 'text'", "--memory", memory)
    assert result.stdout == "deleted 1 record\n"
    assert photo.exists()


def test_memory_delete_wants_to_know_what(run, memory) -> None:
    result = run("memory", "delete", "--memory", memory)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: say which records")
    injected = run("memory", "delete", "--where", "true; DROP TABLE records", "--memory", memory)
    assert injected.exit_code == 1


def test_memory_relocate(run, run_json, memory, photos, tmp_path) -> None:
    moved = Path(shutil.copytree(photos, tmp_path / "elsewhere"))
    assert run_json("memory", "relocate", photos, moved, "--memory", memory) == {"relocated": 3}
    hit = run_json("search", "red", "--memory", memory)["hits"][0]
    assert hit["uri"] == str(moved / "red" / "red.jpg")


@pytest.mark.parametrize("command", [["info"], ["delete", "--missing-files"], ["relocate", "a", "b"]])
def test_memory_commands_make_no_memory(run, tmp_path, command: list[str]) -> None:
    result = run("memory", *command, "--memory", tmp_path / "none")
    assert result.exit_code == 1
    assert f"error: no memory at {tmp_path / 'none'}" in result.stderr
    assert not (tmp_path / "none").exists()


def test_model_list_and_info(run, run_json) -> None:
    (model,) = run_json("model", "list")["models"]
    assert (model["name"], model["dim"]) == ("tiny", 4)
    assert run_json("model", "info")["id"] == model["id"]
    assert "Mean colours" in run("model", "info").stdout
    assert "tiny" in run("model", "list").stdout


def test_model_verify(run, run_json, shipped, tmp_path) -> None:
    assert run_json("model", "verify")["ok"] is True
    damaged = Path(shutil.copytree(shipped / "base", tmp_path / "damaged"))
    content = bytearray((damaged / "vision.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "vision.onnx").write_bytes(content)
    result = run("model", "verify", damaged, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert str(damaged / "vision.onnx") in document["problems"][0]
    told = run("model", "verify", damaged)
    assert told.exit_code == 1
    assert told.stderr.startswith(f"error: {damaged / 'vision.onnx'}: damaged")


@pytest.fixture
def samples(monkeypatch, tmp_path: Path) -> Path:
    """Sample photos of three colours, in place of those that ship."""
    folder = tmp_path / "samples"
    names = {
        "animals/german-shepherd.jpg": "brown", "animals/chelsea-cat.jpg": "orange", "food/coffee.jpg": "red",
        "places/night-bridge.jpg": "navy", "things/rocket.jpg": "white",
    }  # fmt: skip
    rows = ["image,caption"]
    for name, colour in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), colour).save(folder / name)
        rows.append(f"{name},something {colour}")
    (folder / "captions.csv").write_text("\n".join(rows))
    monkeypatch.setattr("revln.cli.samples._SAMPLES", folder)
    monkeypatch.setattr("revln.models.importing._SAMPLES", folder)
    return folder


def test_model_import(run, run_json, shipped, samples, photos) -> None:
    base = shipped / "base"
    files = ["--image", base / "vision.onnx", "--text", base / "text.onnx", "--tokenizer", base / "tokenizer.json"]
    card = run_json("model", "import", *files, "--name", "mine", "--squash", "--normalise", "half")
    assert (card["name"], card["dim"], card["image"]["side"], card["image"]["layout"]) == ("mine", 4, 16, "nhwc-uint8")
    assert (card["image"]["max_aspect"], card["image"]["mean"]) == (None, [0.5, 0.5, 0.5])
    assert run_json("model", "verify", card["id"])["ok"] is True
    run_json("index", photos, "--model", card["id"], "--memory", "m")
    assert run_json("search", "red", "--memory", "m")["hits"][0]["uri"].endswith("red.jpg")
    captions = samples / "captions.csv"
    own = run("model", "import", *files, "--name", "own", "--out", "own", "--photos", samples, "--captions", captions)
    assert (own.exit_code, own.stdout.split()[:2]) == (0, ["imported", "as"])
    again = run("model", "import", *files, "--name", "own", "--out", "own")
    assert (again.exit_code, again.stderr) == (1, "error: own: exists already: choose another directory\n")
    half = run("model", "import", *files, "--name", "half", "--photos", samples)
    assert (half.exit_code, half.stderr[:35]) == (1, "error: --photos and --captions go t")


@pytest.mark.parametrize(
    ("part", "message"),
    [("--image", "ONNX Runtime cannot load it"), ("--tokenizer", "card.json")],
)
def test_model_import_of_other_files(run, shipped, home, part: str, message: str) -> None:
    base = shipped / "base"
    files = {"--image": base / "vision.onnx", "--text": base / "text.onnx", "--tokenizer": base / "tokenizer.json"}
    files[part] = base / "card.json"
    result = run("model", "import", *(word for pair in files.items() for word in pair), "--name", "mine")
    assert result.exit_code == 1
    assert message in result.stderr
    assert list((home / "bundles").glob("*")) == []


def test_demo(run, run_json, samples, tmp_path) -> None:
    for _ in range(2):
        result = run("demo", "--out", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        assert "No photo fits well" in result.stdout
        assert "Try next" in result.stdout
    page = (tmp_path / "out" / "contact-sheet.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") > 10
    document = run_json("demo", "--out", tmp_path / "out")
    assert document["index"]["records"] == 5
    alone = document["searches"][:-1]
    assert all(hit["texts"] == [] for search in alone for hit in search["hits"])
    assert document["searches"][-1]["hits"][0]["texts"]


def test_doctor(run, run_json, home) -> None:
    report = run_json("doctor")
    assert report["ok"] is True
    found = {check["name"]: check for check in report["checks"]}
    assert {"processor", "threads", "memory (RAM)", "onnxruntime", "pylance", "HEIC", "AVIF", "model base"} <= set(
        found
    )
    assert found["memory"]["advice"].startswith("revln index FOLDER")
    assert "All is well." in run("doctor").stdout
    assert not (home / "memory.revln").exists()


def test_doctor_finds_a_damaged_memory(run, memory) -> None:
    (memory / "memory.json").write_text("{")
    result = run("doctor", "--memory", memory)
    assert result.exit_code == 1
    assert "problem" in result.stdout
    assert json.loads(run("doctor", "--memory", memory, "--json").stdout)["ok"] is False


def test_an_old_processor_is_told_before_it_fails(run, run_json, memory, monkeypatch) -> None:
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(processor, "processor_features", lambda: frozenset({"sse2"}))
    result = run("search", "red", "--memory", memory)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: this processor lacks avx2, fma, f16c")
    monkeypatch.setattr(checks, "processor_features", processor.processor_features)
    document = json.loads(run("doctor", "--json").stdout)
    assert document["ok"] is False
    assert "model base" not in {check["name"] for check in document["checks"]}


def test_eval_retrieval(run, run_json, photos, tmp_path) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\n" + "".join(f"{name}/{name}.jpg,{name}\n" for name in ("red", "green", "blue")))
    scores = run_json("eval", "retrieval", "--images", photos, "--captions", captions)
    perfect = {"R@1": 100.0, "R@5": 100.0, "R@10": 100.0}
    assert scores == {"image_to_text": perfect, "text_to_image": perfect, "images": 3, "captions": 3}
    assert "100.0" in run("eval", "retrieval", "--images", photos, "--captions", captions).stdout
    captions.write_text("image,caption\npink.jpg,pink\n")
    result = run("eval", "retrieval", "--images", photos, "--captions", captions)
    assert (result.exit_code, "pink.jpg is missing" in result.stderr) == (1, True)


def test_eval_classify(run, run_json, photos, memory) -> None:
    scores = run_json("eval", "classify", photos, "--memory", memory)
    assert scores == {"accuracy": 100.0, "per_label": {"blue": 100.0, "green": 100.0, "red": 100.0}, "images": 3}
    assert run_json("eval", "classify", photos)["accuracy"] == 100.0
    assert "accuracy 100.00 %" in run("eval", "classify", photos, "--labels", "red,green,blue").stdout
    result = run("eval", "classify", photos, "--labels", "red,green")
    assert (result.exit_code, "the folders blue are none of the labels" in result.stderr) == (1, True)

"""``revln caption`` and ``revln eval caption`` with the tiny generator, which copies what it recalls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from revln.metrics import caption_scores
from revln.models import Bundle
from tiny_bundle import make_tiny_bundle

Run = Callable[..., object]


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles as the package ships them: ``base`` speaks, ``mute`` has no generator."""
    directory = tmp_path_factory.mktemp("speaking")
    make_tiny_bundle(directory / "base", generator=True)
    make_tiny_bundle(directory / "mute", name="mute")
    return directory


@pytest.fixture
def red(photos: Path) -> Path:
    return photos / "red" / "red.jpg"


@pytest.fixture
def blue(photos: Path) -> Path:
    return photos / "blue" / "blue.jpg"


@pytest.fixture
def memory(run_json: Run, red: Path, tmp_path: Path) -> Path:
    """A memory in which the red photo is Ada."""
    directory = tmp_path / "ada.revln"
    run_json("memory", "add", "--image", red, "--text", "Ada on the wall", "--text", "墙上的狗", "--memory", directory)
    return directory


def test_a_photo_alone(run_json: Run, red: Path) -> None:
    document = run_json("caption", red)
    assert set(document) == {"results", "skipped"}
    (answer,) = document["results"]
    assert answer.pop("confidence") > 0.9
    assert answer == {
        "uri": str(red), "text": "A red photo.", "abstained": False, "lang": "en", "none_weight": 1.0, "evidence": []
    }  # fmt: skip


def test_what_the_memory_recalls_is_said_and_listed(run_json: Run, red: Path, memory: Path) -> None:
    (answer,) = run_json("caption", red, "--memory", memory)["results"]
    assert answer["text"] == "Ada on the wall."
    (evidence,) = answer["evidence"]
    assert (evidence["uri"], evidence["text"]) == (str(red), "Ada on the wall")
    assert evidence["score"] == pytest.approx(1, abs=1e-5)
    assert evidence["weight"] + answer["none_weight"] == pytest.approx(1, abs=2e-6)


def test_the_default_memory_is_recalled_from_when_there_is_one(run_json: Run, red: Path) -> None:
    assert run_json("caption", red)["results"][0]["text"] == "A red photo."
    run_json("memory", "add", "--image", red, "--text", "Ada on the wall")
    assert run_json("caption", red)["results"][0]["text"] == "Ada on the wall."
    assert run_json("caption", red, "--no-memory")["results"][0]["text"] == "A red photo."


def test_as_people_read_it(run: Run, red: Path, blue: Path, memory: Path) -> None:
    result = run("caption", red, blue, "--memory", memory)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        [str(red)],
        ["Ada", "on", "the", "wall."],
        ["50", "%", str(red), "Ada", "on", "the", "wall"],
        ["50", "%", "the", "photo", "itself"],
        [str(blue)],
        ["A", "blue", "photo."],
        ["15", "%", str(red), "Ada", "on", "the", "wall"],
        ["85", "%", "the", "photo", "itself"],
    ]


def test_only_the_weightiest_records_are_shown(run: Run, run_json: Run, red: Path, memory: Path) -> None:
    for text in ("a dog", "a red dog", "a green dog", "a blue dog"):
        run_json("memory", "add", "--text", text, "--memory", memory)
    shown = run("caption", red, "--beams", 1, "--memory", memory).stdout.splitlines()
    assert len(shown) == 2 + 3 + 1
    weights = [int(line.split()[0]) for line in shown[2:5]]
    assert weights == sorted(weights, reverse=True)
    assert len(run_json("caption", red, "--beams", 1, "--memory", memory)["results"][0]["evidence"]) == 5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--lang", "zh"), "墙上的狗。"),
        (("-k", "0"), "A red photo."),
        (("-k", "0", "--lang", "zh"), "一张红色照片。"),
        (("--recalled", "100"), "Ada on the wall."),
        (("--exclude-self",), "A red photo."),
        (("--no-memory",), "A red photo."),
        (("--beams", "1"), "Ada on the wall."),
        (("--nucleus", "0.5", "--seed", "7"), "Ada on the wall."),
    ],
)
def test_options(run_json: Run, red: Path, memory: Path, options: tuple[str, ...], text: str) -> None:
    assert run_json("caption", red, "--memory", memory, *options)["results"][0]["text"] == text


def test_a_relative_path_is_the_photo_itself_too(
    run_json: Run, red: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(red.parent)
    (answer,) = run_json("caption", "red.jpg", "--memory", memory, "--exclude-self")["results"]
    assert (answer["uri"], answer["evidence"]) == ("red.jpg", [])


def test_a_seed_gives_the_same_words_again(run_json: Run, red: Path) -> None:
    def said(seed: int) -> str:
        return run_json("caption", red, "--nucleus", "1", "--seed", seed)["results"][0]["text"]

    texts = [said(seed) for seed in range(40)]
    assert len(set(texts)) > 1
    changed = next(seed for seed, text in enumerate(texts) if text != "A red photo.")
    assert said(changed) == texts[changed]


def test_results_keep_the_order_of_the_photos(run_json: Run, red: Path, blue: Path) -> None:
    files = [red, blue, blue, red, blue] * 4
    results = run_json("caption", *files)["results"]
    assert [answer["uri"] for answer in results] == [str(file) for file in files]
    assert [answer["text"] for answer in results] == [f"A {file.stem} photo." for file in files]


def test_it_goes_on_after_an_unreadable_photo(run: Run, red: Path, blue: Path, photos: Path) -> None:
    notes = photos / "notes.txt"
    result = run("caption", red, "nowhere.jpg", notes, blue, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["error", "error"]
    assert [answer["text"] for answer in found["results"]] == ["A red photo.", "A blue photo."]
    assert [skipped["path"] for skipped in found["skipped"]] == ["nowhere.jpg", str(notes)]
    assert found["skipped"][0]["reason"] == "no such file"


def test_when_no_photo_can_be_read_nothing_is_shown(run: Run) -> None:
    result = run("caption", "nowhere.jpg")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: nowhere.jpg: no such file\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lang", "de"), "does not speak 'de': choose from en, zh"),
        (("--model", "mute"), "the model mute-1-"),
        (("--memory", "nowhere"), "no memory at nowhere"),
        (("-k", "-1"), "k is -1: recall some records, or 0 for none"),
        (("--beams", "0"), "25 tokens in 0 beams: ask for at least one of each"),
        (("--nucleus", "2"), "nucleus 2.0"),
        (("--nucleus", "0.5", "--seed", "-1"), "seed -1: give a number from 0 on"),
    ],
)
def test_errors_take_one_line(run: Run, red: Path, options: tuple[str, ...], message: str) -> None:
    result = run("caption", red, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_photo_at_all_is_wrong_usage(run: Run) -> None:
    assert run("caption").exit_code == 2


def test_text_that_would_drive_the_terminal_is_made_plain(run: Run, run_json: Run, red: Path, memory: Path) -> None:
    run_json("memory", "add", "--image", red, "--text", "Ada\x1b[31m on [bold]the wall[/bold]", "--memory", memory)
    shown = run("caption", red, "--memory", memory).stdout
    assert "\x1b" not in shown
    assert "Ada [31m on [bold]the wall[/bold]" in shown


def test_a_model_is_verified_with_its_generator(run: Run, run_json: Run, shipped: Path, tmp_path: Path) -> None:
    assert run_json("model", "verify")["ok"] is True
    assert {"generator-look.onnx", "generator-say.onnx", "generator-tokenizer.json"} <= set(
        Bundle(shipped / "base").card.files
    )
    damaged = Path(shutil.copytree(shipped / "base", tmp_path / "damaged"))
    path = damaged / "generator-say.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    result = run("model", "verify", damaged, "--json")
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem.startswith(f"{path}: damaged")


def test_eval_caption_agrees_with_the_measures(run: Run, run_json: Run, photos: Path, tmp_path: Path) -> None:
    photos, captions = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "captions.csv"
    captions.write_text(
        "image,caption\nred/red.jpg,A red photo of a wall .\nred/red.jpg,Ada on the wall\nblue/blue.jpg,A blue photo\n"
    )
    options = ("eval", "caption", "--images", photos, "--captions", captions)
    references = [["a red photo of a wall", "ada on the wall"], ["a blue photo"]]
    split = [[text.split() for text in texts] for texts in references]

    def expected(*said: str) -> dict[str, float]:
        scores = caption_scores([text.split() for text in said], split)
        return {name: round(value, 2) for name, value in scores.items()} | {"images": 2}

    alone = run_json(*options)
    assert alone == expected("a red photo", "a blue photo")
    assert list(alone) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr", "images"]
    # Ada's record is left out for her own photo, but not for a copy of it.
    memory = tmp_path / "ada.revln"
    run_json("memory", "add", "--image", photos / "red" / "red.jpg", "--text", "Ada on the wall", "--memory", memory)
    assert run_json(*options, "--memory", memory) == alone
    shutil.copy(photos / "red" / "red.jpg", photos / "blue" / "blue.jpg")
    assert run_json(*options, "--memory", memory) == expected("a red photo", "ada on the wall")
    alone = run_json(*options)
    assert run_json(*options, "--memory", memory, "-k", "0") == alone
    assert run_json(*options, "--memory", memory, "--no-memory") == alone
    shown = run(*options).stdout.splitlines()
    assert shown[1].split()[0] == "BLEU-1"
    assert float(shown[1].split()[1]) == pytest.approx(alone["BLEU-1"], abs=0.06)
    assert shown[-1] == "2 images"


def test_eval_caption_in_another_language(run_json: Run, photos: Path, tmp_path: Path) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\nred/red.jpg,一张红色照片。\nblue/blue.jpg,一张绿色照片\n", encoding="utf-8")
    scores = run_json("eval", "caption", "--images", photos, "--captions", captions, "--lang", "zh")
    assert scores["BLEU-1"] == pytest.approx(100 * 11 / 12, abs=0.01)  # characters are counted
    assert scores["images"] == 2


def test_eval_caption_takes_the_images_of_a_split(run_json: Run, photos: Path, tmp_path: Path) -> None:
    captions, split = tmp_path / "captions.csv", tmp_path / "split.txt"
    captions.write_text("image,caption\nred/red.jpg,a red photo\nblue/blue.jpg,nothing like it\n")
    split.write_text("red/red.jpg\n")
    scores = run_json("eval", "caption", "--images", photos, "--captions", captions, "--split", split)
    assert (scores["images"], scores["ROUGE-L"]) == (1, 100.0)


@pytest.mark.parametrize(
    ("row", "message"),
    [("pink.jpg,pink", "pink.jpg is missing"), ("notes.txt,notes", "notes.txt")],
)
def test_eval_caption_names_what_it_cannot_read(run: Run, photos: Path, tmp_path: Path, row: str, message: str) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text(f"image,caption\n{row}\n")
    result = run("eval", "caption", "--images", photos, "--captions", captions)
    assert result.exit_code == 1
    assert message in result.stderr

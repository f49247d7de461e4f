"""``revln ask`` and ``revln eval ask`` with the tiny generator, which copies what it recalls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from revln.sources import write_questions
from revln.text.questions import Question
from tiny_bundle import make_tiny_bundle

Run = Callable[..., object]


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles as the package ships them: ``base`` answers, ``tells`` describes only, ``mute`` has no generator."""
    directory = tmp_path_factory.mktemp("answering")
    make_tiny_bundle(directory / "base", generator=True)
    make_tiny_bundle(directory / "tells", name="tells", generator=True, facts={"answers": False})
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
    """A memory that knows who is on the wall of the red photo."""
    directory = tmp_path / "ada.revln"
    run_json("memory", "add", "--image", red, "--question", "on the wall", "--answer", "Ada", "--memory", directory)
    return directory


def test_a_photo_alone(run_json: Run, red: Path) -> None:
    document = run_json("ask", red, "What colour is it?")
    assert set(document) == {"results", "skipped"}
    (answer,) = document["results"]
    assert list(answer) == ["uri", "question", "text", "confidence", "abstained", "lang", "none_weight", "evidence"]
    assert answer.pop("confidence") > 0.9
    assert answer == {
        "uri": str(red), "question": "What colour is it?", "text": "red photo", "abstained": False, "lang": "en",
        "none_weight": 1.0, "evidence": [],
    }  # fmt: skip


def test_what_was_taught_is_said_and_listed(run: Run, run_json: Run, red: Path, memory: Path) -> None:
    (answer,) = run_json("ask", red, "on the wall", "--memory", memory)["results"]
    assert answer["text"] == "on the wall Ada"
    (evidence,) = answer["evidence"]
    assert set(evidence) == {"id", "score", "weight", "uri", "text", "label"}
    assert (evidence["uri"], evidence["text"]) == (str(red), "on the wall Ada")
    assert evidence["weight"] + answer["none_weight"] == pytest.approx(1, abs=2e-6)


def test_as_people_read_it(run: Run, red: Path, memory: Path) -> None:
    result = run("ask", red, "on the wall", "--memory", memory)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    sure = lines[2][-3:]
    assert lines == [
        [str(red)],
        ["on", "the", "wall"],
        ["on", "the", "wall", "Ada", *sure],
        ["67", "%", str(red), "on", "the", "wall", "Ada"],
        ["33", "%", "the", "photo", "itself"],
    ]
    assert sure[1:] == ["%", "sure"]
    assert 90 < int(sure[0]) <= 100


def test_an_unsure_answer_is_withheld(run: Run, run_json: Run, red: Path) -> None:
    (answer,) = run_json("ask", red, "这是什么？", "--threshold", "1")["results"]
    assert (answer["text"], answer["abstained"], answer["lang"]) == ("我不知道", True, "zh")
    shown = run("ask", red, "What is it?", "--threshold", "1").stdout.splitlines()
    assert shown[2].strip().startswith("I don't know  ")
    assert run_json("ask", red, "What is it?", "--threshold", "0")["results"][0]["text"] == "red photo"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "on the wall Ada"),
        (("-k", "0"), "red photo"),
        (("--recalled", "100"), "on the wall Ada"),
        (("--exclude-self",), "red photo"),
        (("--no-memory",), "red photo"),
    ],
)
def test_options(run_json: Run, red: Path, memory: Path, options: tuple[str, ...], text: str) -> None:
    assert run_json("ask", red, "on the wall", "--memory", memory, *options)["results"][0]["text"] == text


def test_the_default_memory_is_recalled_from_when_there_is_one(run_json: Run, red: Path) -> None:
    run_json("memory", "add", "--image", red, "--question", "on the wall", "--answer", "Ada")
    assert run_json("ask", red, "on the wall")["results"][0]["text"] == "on the wall Ada"
    assert run_json("ask", red, "on the wall", "--no-memory")["results"][0]["text"] == "red photo"


# --- teaching


def test_teaching_an_answer(run: Run, run_json: Run, red: Path, tmp_path: Path) -> None:
    teach = ("memory", "add", "--image", red, "--question", "Who is it?", "--answer", "Ada")
    record = run_json(*teach)
    assert (record["kind"], record["uri"], record["texts"]) == ("qa", str(red), ["Who is it? Ada"])
    again = run(*teach[:-1], "Rex")
    assert again.exit_code == 0
    assert again.stdout.split() == ["added", str(red), "as", record["id"]]
    assert run_json("memory", "info")["kinds"] == {"qa": 1}
    assert run_json("memory", "verify")["ok"] is True


def test_teaching_an_answer_without_a_photo(run: Run, run_json: Run) -> None:
    result = run("memory", "add", "--question", "Who is it?", "--answer", "Ada")
    assert result.stdout.startswith("added Who is it? Ada as ")
    assert run_json("memory", "info")["kinds"] == {"qa": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--question", "Who?"), "a question is taught with its answer: give both, or neither"),
        (("--answer", "Ada"), "a question is taught with its answer: give both, or neither"),
        (("--question", "Who?", "--answer", "Ada", "--text", "a girl"), "are a record of their own"),
        (("--question", "Who?", "--answer", "Ada", "--label", "girl"), "are a record of their own"),
    ],
)
def test_half_an_answer_is_not_taught(run: Run, options: tuple[str, ...], message: str) -> None:
    result = run("memory", "add", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


# --- what goes wrong


def test_a_photo_in_the_place_of_the_question_is_wrong_usage(run: Run, red: Path, blue: Path) -> None:
    result = run("ask", red, blue)
    assert (result.exit_code, result.stdout) == (2, "")
    told = "".join(result.stderr.split()).replace("│", "")  # it is wrapped in a box
    assert f"{blue}isafile:giveonephoto,thenthequestion" in told


@pytest.mark.parametrize("arguments", [(), ("photo.jpg",), ("photo.jpg", "What?", "Why?")])
def test_one_photo_and_one_question_are_needed(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("ask", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        ("", (), "the question is empty: ask something about the photo"),
        ("why. " * 60 + "?", (), "a question of 301 characters: ask in at most 300"),
        ("Что это?", (), "does not read this question: ask in en or zh"),
        ("What?", ("--threshold", "1.5"), "threshold 1.5: give a probability from 0 to 1"),
        ("What?", ("-k", "-1"), "k is -1: recall some records, or 0 for none"),
        ("What?", ("--model", "mute"), "the model mute-1-"),
        ("What?", ("--model", "tells"), "describes photos but answers no questions: use one that does"),
        ("What?", ("--memory", "nowhere"), "no memory at nowhere"),
    ],
)
def test_errors_take_one_line(run: Run, red: Path, question: str, options: tuple[str, ...], message: str) -> None:
    result = run("ask", red, question, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_photo_that_cannot_be_read_is_named(run: Run, photos: Path) -> None:
    result = run("ask", "nowhere.jpg", "What?")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: nowhere.jpg: no such file\n")
    document = json.loads(run("ask", photos / "notes.txt", "What?", "--json").stdout)
    assert (document["results"], document["skipped"][0]["path"]) == ([], str(photos / "notes.txt"))


def test_text_that_would_drive_the_terminal_is_made_plain(run: Run, run_json: Run, red: Path, memory: Path) -> None:
    question = "\x1b[31mwho [bold]?"
    run_json("memory", "add", "--image", red, "--question", question, "--answer", "Ada", "--memory", memory)
    shown = run("ask", red, question, "--memory", memory).stdout
    assert "\x1b" not in shown
    assert shown.splitlines()[1] == "  [31mwho [bold]?"


# --- measuring


def asked(name: str, question: str, answer: str, kind: str = "colour", language: str = "en") -> Question:
    return Question(f"{name}/{name}.jpg", question, answer, kind, language)


@pytest.fixture
def ask_about(run_json: Run, photos: Path, tmp_path: Path) -> Callable[..., dict]:
    """Writes questions about the photos and runs ``revln eval ask``."""

    def call(questions: Iterable[Question], *options: object) -> dict:
        write_questions(tmp_path / "dev.jsonl", questions)
        return run_json("eval", "ask", "--questions", tmp_path / "dev.jsonl", "--images", photos, *options)

    return call


QUESTIONS = [
    asked("red", "What colour is the wall?", "Red photo"),  # right, however it is written
    asked("red", "What is it?", "dog", "object"),
    asked("blue", "What colour is the wall?", "blue photo"),
    asked("green", "墙是什么颜色？", "red photo", language="zh"),
    asked("blue", "What is on the wall?", "blue photo", "object"),
]


def test_eval_ask_by_hand(run: Run, ask_about: Callable[..., dict], photos: Path, tmp_path: Path) -> None:
    scores = ask_about(QUESTIONS)
    assert list(scores) == ["accuracy", "by_type", "questions", "surer_half", "calibration_error"]
    assert scores["accuracy"] == 60.0
    assert scores["by_type"] == {"colour": 66.67, "object": 50.0}
    assert scores["questions"] == 5
    # The brightest photo is the one it is surest of: of five answers the two about the blue one, which are right.
    assert scores["surer_half"] == 100.0
    # Confidences of 0.942 for red, 0.951 for blue and 0.914 for green are all in one bin.
    assert scores["calibration_error"] == pytest.approx((2 * 0.942 + 2 * 0.951 + 0.914) / 5 - 0.6, abs=5e-3)
    shown = [line.split() for line in run(
        "eval", "ask", "--questions", tmp_path / "dev.jsonl", "--images", photos
    ).stdout.splitlines()]  # fmt: skip
    assert shown[:3] == [["type", "questions", "right", "%"], ["colour", "3", "66.7"], ["object", "2", "50.0"]]
    assert shown[3][:6] == ["accuracy", "60.00", "%", "over", "5", "questions;"]
    assert shown[4][:4] == ["confidence", "is", "off", "by"]


def test_eval_ask_leaves_the_photos_own_records_out(ask_about: Callable[..., dict], memory: Path) -> None:
    own = [asked("red", "on the wall", "on the wall Ada", "object")]
    others = [asked("blue", "on the wall", "on the wall Ada", "object")]
    assert ask_about(own, "--memory", memory)["accuracy"] == 0.0
    assert ask_about(others, "--memory", memory)["accuracy"] == 100.0
    assert ask_about(others, "--memory", memory, "--no-memory")["accuracy"] == 0.0
    assert ask_about(others, "--memory", memory, "-k", "0")["accuracy"] == 0.0


def test_eval_ask_answers_however_unsure(ask_about: Callable[..., dict], shipped: Path, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "doubtful", generator=True, facts={"answer_confidence": (1.0, -50.0)})
    scores = ask_about(QUESTIONS, "--model", bundle)
    assert (scores["accuracy"], scores["calibration_error"]) == (60.0, pytest.approx(0.6, abs=1e-3))


def test_eval_ask_blind_shows_neither_photo_nor_memory(ask_about: Callable[..., dict], memory: Path) -> None:
    colours = [asked(name, "What colour is it?", f"{name} photo") for name in ("red", "green", "blue")]
    assert ask_about(colours)["accuracy"] == 100.0
    assert ask_about(colours, "--blind")["accuracy"] in {0.0, 33.33}  # one answer for all, whatever it is
    known = [asked("blue", "on the wall", "on the wall Ada", "object")]
    assert ask_about(known, "--memory", memory)["accuracy"] == 100.0
    assert ask_about(known, "--memory", memory, "--blind")["accuracy"] == 0.0


def test_eval_ask_finds_the_photos_beside_the_file(run_json: Run, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "red.jpg").write_bytes((photos / "red" / "red.jpg").read_bytes())
    write_questions(folder / "q.jsonl", [Question("red.jpg", "What?", "red photo", "object", "en")])
    assert run_json("eval", "ask", "--questions", folder / "q.jsonl")["accuracy"] == 100.0


def test_eval_ask_names_the_images_that_are_missing(run: Run, photos: Path, tmp_path: Path) -> None:
    write_questions(tmp_path / "q.jsonl", [asked("red", "What?", "red"), asked("pink", "What?", "pink")])
    result = run("eval", "ask", "--questions", tmp_path / "q.jsonl", "--images", photos)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pink/pink.jpg is missing: give the folder that the file is about" in result.stderr


def test_eval_ask_names_an_image_that_it_cannot_read(run: Run, photos: Path, tmp_path: Path) -> None:
    write_questions(tmp_path / "q.jsonl", [Question("notes.txt", "What?", "red", "object", "en")])
    result = run("eval", "ask", "--questions", tmp_path / "q.jsonl", "--images", photos)
    assert result.exit_code == 1
    assert str(photos / "notes.txt") in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "q.jsonl: no such file"),
        ("", "q.jsonl: is empty"),
        ("\n \n", "q.jsonl: is empty"),
        ("{}\n", "q.jsonl: line 1 has no 'image' that is a text"),
        ('{"image": "red.jpg", "question": "Что?", "answer": "red", "type": "object", "language": "en"}\n',
         "does not read this question: ask in en or zh"),
    ],
)  # fmt: skip
def test_eval_ask_refuses_files_without_questions(
    run: Run, photos: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "q.jsonl").write_text(content, encoding="utf-8")
    result = run("eval", "ask", "--questions", tmp_path / "q.jsonl", "--images", photos)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr

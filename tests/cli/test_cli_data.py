from __future__ import annotations

from pathlib import Path

import pytest

from revln.sources.question_files import read_questions

CAPTIONS = """image,caption
a.jpg,Two brown dogs run on a beach .
a.jpg,两只狗在海边奔跑。
b.jpg,A boy in a red hat rides a pony .
c.jpg,A white cat sleeps .
"""


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.csv"
    path.write_text(CAPTIONS, encoding="utf-8")
    return path


def test_both_languages_unless_one_is_named(run_json, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    document = run_json("data", "questions", "--captions", captions, "--out", out)
    questions = read_questions(out)
    assert set(document) == {"out", "questions", "photos", "by_type"}
    assert (document["out"], document["questions"]) == (str(out), len(questions))
    assert document["photos"] == len({question.image for question in questions}) == 3
    assert list(document["by_type"]) == ["object", "number", "colour", "activity", "place"]
    assert sum(document["by_type"].values()) == len(questions)
    assert {question.language for question in questions} == {"en", "zh"}
    run_json("data", "questions", "--captions", captions, "--out", out, "--lang", "zh")
    assert {question.language for question in read_questions(out)} == {"zh"}


def test_for_people(run, captions: Path) -> None:
    result = run("data", "questions", "--captions", captions, "--out", "q.jsonl", "--lang", "en")
    assert result.exit_code == 0, result.stderr
    assert "most common" in result.stdout
    assert "a.jpg: How many dogs are there? two\n" in result.stdout
    assert result.stdout.endswith(" questions about 3 photos in q.jsonl\n")


def test_a_split(run_json, captions: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text("c.jpg\nnone.jpg\n")
    document = run_json("data", "questions", "--captions", captions, "--split", "dev.txt", "--out", "q.jsonl")
    assert document["photos"] == 1
    assert {question.image for question in read_questions("q.jsonl")} == {"c.jpg"}


def test_balance_and_rare_answers(run_json, tmp_path: Path) -> None:
    colours = ["red"] * 6 + ["blue"] * 2 + ["green"]
    rows = [f"{place}.jpg,A {colour} car ." for place, colour in enumerate(colours)]
    (tmp_path / "c.csv").write_text("\n".join(["image,caption", *rows]))
    call = ("data", "questions", "--captions", "c.csv", "--out", "q.jsonl")
    assert run_json(*call)["questions"] == 3
    assert run_json(*call, "--no-balance")["questions"] == 9
    assert run_json(*call, "--min-count", 2)["questions"] == 4
    assert run_json(*call, "--no-balance", "--min-count", 2)["questions"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--captions", "none.csv"], "error: none.csv: no such file"),
        (["--lang", "de"], "error: no questions can be made in 'de': choose en or zh"),
        (["--split", "other.txt"], "error: other.txt: names no image that has captions in captions.csv"),
        (["--split", "b.txt", "--lang", "zh"], "error: captions.csv: no questions can be made of its captions in zh"),
        (["--out", "none/q.jsonl"], "error: none: no such folder: make it"),
        (["--min-count", "99"], "error: --min-count 99 leaves no questions"),
    ],
)
def test_errors(run, captions: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "other.txt").write_text("z.jpg\n")
    (tmp_path / "b.txt").write_text("b.jpg\n")
    options = {"--captions": "captions.csv", "--out": "q.jsonl"} | dict(
        zip(arguments[::2], arguments[1::2], strict=True)
    )
    result = run("data", "questions", *(word for option in options.items() for word in option))
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert not (tmp_path / "q.jsonl").exists()


def test_wrong_usage(run, captions: Path) -> None:
    assert run("data").exit_code == 2
    assert run("data", "questions", "--captions", captions).exit_code == 2
    assert run("data", "questions", "--captions", captions, "--out", "q", "--min-count", "0").exit_code == 2

from __future__ import annotations

import json
from pathlib import Path

import pytest

from revln.errors import InputError
from revln.sources import open_sources
from revln.sources.question_files import read_questions, write_questions
from revln.text.questions import Question

QUESTIONS = [
    Question("a.jpg", "What colour is the dog?", "brown", "colour", "en"),
    Question("b.jpg", "狗在哪里？", "海边", "place", "zh"),
]
ENTRY = {"image": "a.jpg", "question": "Where?", "answer": "here", "type": "place", "language": "en"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    write_questions(path, QUESTIONS)
    assert read_questions(path) == QUESTIONS
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first) == {
        "image": "a.jpg", "question": "What colour is the dog?", "answer": "brown", "type": "colour", "language": "en",
    }  # fmt: skip
    assert "狗在哪里" in second
    assert list(tmp_path.iterdir()) == [path]


def test_odd_names_come_back(tmp_path: Path) -> None:
    odd = [Question(name, "Q\u2028?", "a", "place", "en") for name in ("a\u2028b.jpg", "half \ud83d.jpg", 'q"\\.jpg')]
    write_questions(tmp_path / "q.jsonl", odd)
    assert read_questions(tmp_path / "q.jsonl") == odd


def test_blank_lines_and_other_fields_are_passed_over(write) -> None:
    path = write("q.jsonl", f"\n{json.dumps({**ENTRY, 'more': 1})}\r\n\n")
    assert read_questions(path) == [Question(**ENTRY)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is no valid JSON"),
        ("[" * 100_000, "line 2 is no valid JSON"),
        ("[]", "line 2 is no JSON object"),
        (json.dumps({**ENTRY, "answer": 3}), "line 2 has no 'answer' that is a text"),
        (json.dumps({**ENTRY, "image": " "}), "line 2 has no 'image' that is a text"),
        (json.dumps({name: ENTRY[name] for name in ENTRY if name != "language"}), "line 2 has no 'language'"),
        (json.dumps({**ENTRY, "type": "age"}), "line 2 has the type 'age': it has to be one of object, number"),
    ],
)
def test_lines_that_are_no_questions(write, line: str, message: str) -> None:
    path = write("q.jsonl", f"{json.dumps(ENTRY)}\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_questions(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), (b"", "is empty"), (b"\xff\xfe\xff", "UTF-16")]
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "q.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_questions(path)


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder: make it"):
        write_questions(tmp_path / "none" / "q.jsonl", QUESTIONS)
    with pytest.raises(InputError, match="choose another place"):
        write_questions(tmp_path, QUESTIONS)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def broken():
        yield QUESTIONS[0]
        raise KeyboardInterrupt

    path = tmp_path / "q.jsonl"
    write_questions(path, QUESTIONS)
    with pytest.raises(KeyboardInterrupt):
        write_questions(path, broken())
    assert read_questions(path) == QUESTIONS
    assert list(tmp_path.iterdir()) == [path]


def test_an_index_takes_them_as_questions_about_the_photos_beside(scan, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    write_questions(path, QUESTIONS)
    found = scan(open_sources([path]))
    assert found.skipped == []
    assert [(each.kind, dict(each.facts)) for each in found.candidates] == [
        ("qa", {"question": each.question, "answer": each.answer, "image": str(tmp_path / each.image)})
        for each in QUESTIONS
    ]

from __future__ import annotations

import json

import pytest

from revln.errors import InputError
from revln.sources import QuestionSource

QUESTIONS = {
    "data_subtype": "val2014",
    "questions": [
        {"image_id": 42, "question": "What is this?", "question_id": 1},
        {"image_id": 42, "question": "Which colour?", "question_id": 2},
        {"image_id": 7, "question": "How many?", "question_id": 3},
    ],
}
ANNOTATIONS = {
    "annotations": [
        {"question_id": 2, "answers": [{"answer": "red"}, {"answer": "blue"}, {"answer": "blue"}]},
        {"question_id": 1, "multiple_choice_answer": "a boat", "answers": [{"answer": "ship"}]},
    ]
}


def test_vqa(scan, write, tmp_path) -> None:
    asked = write("q.json", json.dumps(QUESTIONS))
    photo = write("val2014/COCO_val2014_000000000042.jpg", b"x")
    answered = write("a.json", json.dumps(ANNOTATIONS))
    found = scan(QuestionSource([answered, asked]))
    assert [(each.kind, each.uri, each.number, each.texts) for each in found.candidates] == [
        ("qa", str(asked), 1, ("What is this? a boat",)),
        ("qa", str(asked), 2, ("Which colour? blue",)),
    ]
    assert found.candidates[0].facts == {"question": "What is this?", "answer": "a boat", "image": str(photo)}
    assert found.skipped == [(str(asked), "question 3: has no answer")]


def test_one_file_with_both(scan, write, tmp_path) -> None:
    write("images/a.jpg", b"x")
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "questions": [
            {"image_id": 1, "question": "What?", "answer": "a tree"},
            {"image": "b.jpg", "question": "Where?", "answers": ["here", "there", "there"]},
            {"question": "Why?", "question_id": 5},
            {"question": None, "question_id": 5},
        ],
        "annotations": [{"question_id": 5, "answer": 3}],
    }
    found = scan(QuestionSource([write("qa.json", json.dumps(content))]))
    assert [dict(each.facts) for each in found.candidates] == [
        {"question": "What?", "answer": "a tree", "image": str(tmp_path / "images" / "a.jpg")},
        {"question": "Where?", "answer": "there", "image": str(tmp_path / "b.jpg")},
        {"question": "Why?", "answer": "3"},
    ]
    assert found.reasons == ["question 4: has no text"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (QUESTIONS, "holds no answers"),
        (ANNOTATIONS, "holds no questions"),
        ([], "is no JSON object"),
        (None, "no such file"),
        ("{", "is no valid JSON"),
    ],
)
def test_files_that_cannot_be_used(write, tmp_path, content: object, message: str) -> None:
    path = tmp_path / "q.json"
    if content is not None:
        write("q.json", content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message):
        QuestionSource([path])

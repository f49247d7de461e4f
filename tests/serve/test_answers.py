"""Classes and captions of records and of images that are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.errors import QueryError
from revln.pipeline import Memory, ask, caption, classify
from revln.pipeline.captioning import Captioner
from serving import picture
from tiny_bundle import make_tiny_bundle

EVENTS = {"Accept": "text/event-stream"}


def test_the_class_of_an_image(client: Any) -> None:
    answer = client.post("/v1/classify", files={"image": picture("red")}).json()
    assert (answer["uri"], answer["label"]) == ("upload", "red")
    assert [label["label"] for label in answer["labels"]] == ["red", "blue", "green"]
    assert answer["evidence"][0]["label"] == "red"


def test_the_class_of_a_record(client: Any, memory: Memory, ids: dict[str, str], photos: Path) -> None:
    answer = client.post("/v1/classify", json={"id": ids["blue"], "labels": ["red", "blue"], "k": 2}).json()
    expected = classify(photos / "blue" / "blue.jpg", memory=memory, labels=["red", "blue"], k=2).to_dict()
    assert (answer["uri"], answer["label"]) == (str(photos / "blue" / "blue.jpg"), "blue")
    assert answer["labels"] == expected["labels"]


def test_the_caption_of_an_image(client: Any, memory: Memory) -> None:
    answer = client.post("/v1/caption", files={"image": picture("red")}).json()
    assert (answer["uri"], answer["text"], answer["lang"]) == ("upload", "Red.", "en")
    assert answer["evidence"][0]["label"] == "red"
    alone = client.post("/v1/caption", files={"image": picture("red")}, data={"memory": "false"}).json()
    assert (alone["text"], alone["evidence"], alone["none_weight"]) == ("A red photo.", [], 1.0)
    chinese = client.post("/v1/caption", files={"image": picture("red")}, data={"k": "0", "lang": "zh"}).json()
    assert chinese["text"] == "一张红色照片。"


def test_the_caption_of_a_record(client: Any, memory: Memory, ids: dict[str, str], photos: Path) -> None:
    memory.correct(ids["red"], texts=["Ada on the wall"])
    answer = client.post("/v1/caption", json={"id": ids["red"]}).json()
    assert answer["text"] == "Ada on the wall."
    assert answer == caption(photos / "red" / "red.jpg", memory=memory).to_dict()


def test_a_record_whose_file_is_gone_is_seen_by_its_thumb(client: Any, memory: Memory, tmp_path: Path) -> None:
    photo = tmp_path / "gone.png"
    photo.write_bytes(picture("green", "PNG"))
    record = memory.add(image=photo)
    photo.unlink()
    assert client.post("/v1/classify", json={"id": record.id}).json()["label"] == "green"


def test_the_answer_about_an_image(client: Any, memory: Memory) -> None:
    form = {"question": "what?", "memory": "false", "threshold": "0"}
    answer = client.post("/v1/ask", files={"image": picture("red")}, data=form).json()
    assert (answer["uri"], answer["question"], answer["text"]) == ("upload", "what?", "red photo")
    assert (answer["abstained"], answer["evidence"], answer["none_weight"]) == (False, [], 1.0)


def test_the_answer_about_a_record(client: Any, memory: Memory, ids: dict[str, str], photos: Path) -> None:
    memory.correct(ids["red"], texts=["Ada on the wall"])
    asked = {"id": ids["red"], "question": "red?"}
    answer = client.post("/v1/ask", json=asked | {"threshold": 0}).json()
    assert answer["text"] == "Ada on the wall"
    assert answer == ask(photos / "red" / "red.jpg", "red?", memory=memory, threshold=0).to_dict()
    unsure = client.post("/v1/ask", json=asked | {"threshold": 1}).json()
    assert (unsure["text"], unsure["abstained"]) == ("I don't know", True)


@pytest.mark.parametrize("question", ["", "x" * 301, "Что это?"])
def test_questions_that_cannot_be_answered(client: Any, ids: dict[str, str], question: str) -> None:
    for headers in ({}, EVENTS):
        response = client.post("/v1/ask", json={"id": ids["red"], "question": question}, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_query")


def test_a_model_that_answers_no_questions(serve: Any, tmp_path: Path) -> None:
    silent = make_tiny_bundle(tmp_path / "silent", generator=True, facts={"answers": False})
    client = serve(memory=Memory.open(tmp_path / "silent.revln", model=silent))
    response = client.post("/v1/ask", files={"image": picture("red")}, data={"question": "what?"}, headers=EVENTS)
    assert (response.status_code, response.json()["error"]["code"]) == (501, "no_answers")
    assert client.post("/v1/caption", files={"image": picture("red")}).status_code == 200


# --- word by word


def events(response: Any) -> list[tuple[str, Any]]:
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    told = [event.split("\n") for event in response.text.removesuffix("\n\n").split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in told]


def test_a_caption_as_it_is_said(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    memory.correct(ids["red"], texts=["Ada on the wall"])
    *tokens, last = events(client.post("/v1/caption", json={"id": ids["red"]}, headers=EVENTS))
    assert [name for name, _ in tokens] == ["token"] * 5
    assert [data["text"] for _, data in tokens] == ["Ada", " on", " the", " wall", "."]
    whole = client.post("/v1/caption", json={"id": ids["red"]}).json()
    assert last[0] == "answer"
    assert last[1].keys() == whole.keys()
    assert (last[1]["text"], last[1]["evidence"][0]["id"]) == ("Ada on the wall.", ids["red"])
    assert sum(own["weight"] for own in last[1]["evidence"]) + last[1]["none_weight"] == pytest.approx(1, abs=1e-4)


def test_a_caption_in_chinese_as_it_is_said(client: Any) -> None:
    form = {"k": "0", "lang": "zh"}
    *tokens, last = events(client.post("/v1/caption", files={"image": picture("red")}, data=form, headers=EVENTS))
    assert "".join(data["text"] for _, data in tokens) == last[1]["text"] == "一张红色照片。"


def test_an_answer_as_it_is_said(client: Any) -> None:
    form = {"question": "what?", "memory": "false", "threshold": "0"}
    told = events(client.post("/v1/ask", files={"image": picture("red")}, data=form, headers=EVENTS))
    assert told[:2] == [("token", {"text": "red"}), ("token", {"text": " photo"})]
    assert (told[2][0], told[2][1]["text"], told[2][1]["question"]) == ("answer", "red photo", "what?")
    form["threshold"] = "1"
    told = events(client.post("/v1/ask", files={"image": picture("red")}, data=form, headers=EVENTS))
    assert told[0] == ("token", {"text": "I don't know"})
    assert told[-1][1]["abstained"]


def test_what_is_wrong_at_first_is_told_as_everywhere(client: Any) -> None:
    response = client.post("/v1/caption", json={"id": "0" * 20}, headers=EVENTS)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    response = client.post("/v1/caption", files={"image": b"no image"}, headers=EVENTS)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "not_an_image")


@pytest.mark.parametrize(
    ("error", "code"), [(RuntimeError("a secret"), "internal"), (QueryError("too much: ask for less"), "invalid_query")]
)
def test_what_goes_wrong_later_is_an_event(
    client: Any, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    follow = Captioner.follow

    def fail(self: Captioner, *arguments: Any) -> Iterator[Any]:
        yield next(follow(self, *arguments))
        raise error

    monkeypatch.setattr(Captioner, "follow", fail)
    response = client.post("/v1/caption", json={"id": ids["red"]}, headers=EVENTS)
    told = events(response)
    assert [name for name, _ in told] == ["token", "error"]
    assert told[1][1]["error"]["code"] == code
    assert "secret" not in response.text
    assert client.service.metrics._registry.get_sample_value("revln_running") == 0


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/caption", "/v1/similar"])
def test_one_thing_is_asked_about(client: Any, memory: Memory, ids: dict[str, str], path: str) -> None:
    assert client.post(path, json={}).status_code == 422
    both = client.post(path, files={"image": picture("red")}, data={"id": ids["red"]})
    assert (both.status_code, both.json()["error"]["way_out"]) == (422, "give one of the two")
    assert client.post(path, json={"id": "0" * 20}).status_code == 404
    assert client.post(path, json={"id": "../../etc/passwd"}).status_code == 422


def test_a_record_without_a_picture(client: Any, memory: Memory) -> None:
    text = memory.add(texts=["red"])
    for path in ("/v1/classify", "/v1/caption"):
        response = client.post(path, json={"id": text.id})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "unreadable_image")


def test_a_language_that_is_not_spoken(client: Any) -> None:
    response = client.post("/v1/caption", files={"image": picture("red")}, data={"lang": "tlh"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_query")


def test_a_model_that_does_not_speak(serve: Any, tmp_path: Path) -> None:
    silent = Memory.open(tmp_path / "silent.revln", model=make_tiny_bundle(tmp_path / "silent"))
    response = serve(memory=silent).post("/v1/caption", files={"image": picture("red")})
    assert (response.status_code, response.json()["error"]["code"]) == (501, "no_generator")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("path", ["/v1/search", "/v1/similar", "/v1/classify", "/v1/caption", "/v1/records"])
@pytest.mark.parametrize("data", [SVG, b"<html><script>alert(1)</script>", b"GIF", b"%PDF-1.4", b""])
def test_what_is_no_image(client: Any, tmp_path: Path, path: str, data: bytes) -> None:
    response = client.post(path, files={"image": ("photo.jpg", data, "image/jpeg")})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "not_an_image")
    assert not (tmp_path / "uploads").exists()


@pytest.mark.parametrize("path", ["/v1/search", "/v1/caption", "/v1/records"])
def test_a_damaged_image(client: Any, tmp_path: Path, path: str) -> None:
    response = client.post(path, files={"image": picture("red")[:200]})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "unreadable_image")
    assert not list((tmp_path / "uploads").glob("*"))

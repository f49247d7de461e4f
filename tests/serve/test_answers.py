"""Classes and captions of records and of images that are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.pipeline import Memory, caption, classify
from serving import picture
from tiny_bundle import make_tiny_bundle


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

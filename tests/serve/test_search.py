"""Search, and what resembles a record: what is found, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.pipeline import Memory, index
from serving import picture


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [Path(hit["uri"]).stem for hit in response.json()["hits"]]


def test_by_a_text(client: Any, memory: Memory) -> None:
    response = client.post("/v1/search", json={"text": "red", "k": 2})
    assert names(response)[0] == "red"
    expected = memory.search("red", k=2).to_dict()
    assert response.json()["hits"] == expected["hits"]
    assert response.json()["matched"]


def test_by_an_image(client: Any) -> None:
    response = client.post("/v1/search", files={"image": ("x.jpg", picture("blue"))}, data={"k": "1"})
    assert names(response) == ["blue"]
    assert response.json()["hits"][0]["score"] == pytest.approx(1, abs=0.01)


def test_by_a_text_and_an_image_together(client: Any, memory: Memory, photos: Path) -> None:
    data = {"text": "red", "text_weight": "0.9"}
    response = client.post("/v1/search", files={"image": picture("blue", "PNG")}, data=data)
    assert names(response)[0] == "red"
    data["text_weight"] = "0.1"
    assert names(client.post("/v1/search", files={"image": picture("blue", "PNG")}, data=data))[0] == "blue"


def test_all_options(client: Any, memory: Memory) -> None:
    memory.add(texts=["a red door"], label="door", source="notes")
    asked = {
        "text": "red",
        "k": 5,
        "offset": 0,
        "where": "label = 'door'",
        "mode": "hybrid",
        "sort": "-indexed_at",
        "min_score": 0.1,
        "kinds": ["text", "image"],
        "sources": ["notes"],
        "weights": {"notes": 2},
        "knowledge": False,
        "text_weight": 0.5,
    }
    (hit,) = client.post("/v1/search", json=asked).json()["hits"]
    assert (hit["text"], hit["kind"], hit["source"]) == ("a red door", "text", "notes")


def test_a_form_says_the_same_as_json(client: Any, memory: Memory) -> None:
    memory.add(texts=["a red door"], source="notes")
    form = [("text", "red"), ("kinds", "text"), ("kinds", "image"), ("sources", "notes"), ("weights", '{"notes": 2}')]
    boundary = "x" * 8
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    response = client.post("/v1/search", content=f"{parts}--{boundary}--\r\n", headers=headers)
    assert [hit["text"] for hit in response.json()["hits"]] == ["a red door"]


def test_knowledge_that_leads_to_a_photo_is_named(client: Any, memory: Memory) -> None:
    memory.add(texts=["blue blue"], label="red")
    hits = client.post("/v1/search", json={"text": "blue blue"}).json()["hits"]
    assert {Path(hit["uri"]).stem: hit.get("via", {}).get("text") for hit in hits}["red"] == "blue blue"


def test_what_another_process_indexes_is_found(client: Any, memory: Memory, tmp_path: Path) -> None:
    assert len(names(client.post("/v1/search", json={"text": "red"}))) == 3
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "crimson.png").write_bytes(picture((255, 0, 0), "PNG"))
    index(tmp_path / "new", memory=Memory.open(memory.path, create=False))
    assert names(client.post("/v1/search", json={"text": "red"}))[0] == "crimson"


def test_a_migration_is_followed(client: Any, memory: Memory, tmp_path: Path) -> None:
    from tiny_bundle import make_tiny_bundle

    assert names(client.post("/v1/search", json={"text": "red"}))[0] == "red"
    other = make_tiny_bundle(tmp_path / "other", name="other", dim=6)
    Memory.open(memory.path, create=False).migrate(other)
    assert names(client.post("/v1/search", json={"text": "blue"}))[0] == "blue"
    assert client.post("/v1/embeddings", json={"input": "red"}).json()["model"].startswith("other-1-")


def test_similar_to_a_record(client: Any, ids: dict[str, str]) -> None:
    response = client.post("/v1/similar", json={"id": ids["red"], "where": "label != 'green'"})
    assert names(response) == ["blue"]
    assert client.post("/v1/similar", json={"id": "0" * 20}).status_code == 404


def test_similar_to_an_image(client: Any) -> None:
    response = client.post("/v1/similar", files={"image": picture("green", "WEBP")}, data={"k": 1})
    assert names(response) == ["green"]


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        ({}, "invalid_query", "nothing to search for"),
        ({"text": " "}, "invalid_query", "the query is empty"),
        ({"text": "x", "k": 0}, "invalid", "k: "),
        ({"text": "x", "k": 1001}, "invalid", "k: "),
        ({"text": "x", "offset": -1}, "invalid", "offset: "),
        ({"text": "x", "mode": "magic"}, "invalid", "mode: "),
        ({"text": "x" * 2001}, "invalid", "text: "),
        ({"text": "x", "colour": "red"}, "invalid", "colour: "),
        ({"text": "x", "sort": "nonsense"}, "invalid_query", "nonsense"),
        ({"text": "x", "sources": ["nowhere"]}, "invalid_query", "nowhere"),
        ({"text": "x", "weights": {"files": -1}}, "invalid", "weights"),
        ({"text": "x", "mode": "text", "weights": {"files": 1}}, "invalid_query", "weights"),
        ({"text": "x", "kinds": ["rumour"]}, "invalid", "kinds"),
    ],
)
def test_what_cannot_be_asked(client: Any, asked: dict[str, Any], code: str, told: str) -> None:
    response = client.post("/v1/search", json=asked)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == code
    assert told in response.json()["error"]["message"]


def test_a_way_out_is_told_apart(client: Any) -> None:
    error = client.post("/v1/search", json={"text": " "}).json()["error"]
    assert error == {
        "code": "invalid_query",
        "message": "the query is empty",
        "way_out": "say what to look for",
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"text": NaN}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json(client: Any, body: bytes) -> None:
    response = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_another_media_type(client: Any, kind: str | None) -> None:
    # What a page of another site can send without being asked about it beforehand.
    headers = {} if kind is None else {"Content-Type": kind}
    response = client.post("/v1/search", content=b'{"text": "red"}', headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "where",
    [
        "1=1; DROP TABLE records",
        "id = 'x'; DELETE FROM records",
        "label = 'red' UNION SELECT * FROM records",
        "label = 'red' -- comment",
        "label = 'red' /* comment */",
        "label = 'red",
        'label = "red"',
        "1=1) OR (1=1",
        "id IN (SELECT id FROM records)",
        "UPDATE records SET label = 'x'",
        "pg_sleep(10)",
        "label = 'it''s' AND",
        "",
    ],
)
def test_a_filter_cannot_write(client: Any, memory: Memory, where: str) -> None:
    version = memory.info().version
    for path in ("/v1/search", "/v1/similar"):
        asked = {"where": where} | (
            {"text": "red"} if path == "/v1/search" else {"id": memory.search("red")[0].record.id}
        )
        response = client.post(path, json=asked)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_query"), response.text
    assert (memory.info().version, len(memory)) == (version, 3)


def test_hostile_quotes_are_data(client: Any, memory: Memory) -> None:
    memory.add(texts=["quoted"], label="it's '; DROP TABLE x; --")
    asked = {"text": "quoted", "kinds": ["text"], "where": "label = 'it''s ''; DROP TABLE x; --'"}
    assert len(client.post("/v1/search", json=asked).json()["hits"]) == 1


def test_a_name_that_is_no_utf_8_is_told_as_json(client: Any, memory: Memory, tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.png"
    try:
        path.write_bytes(picture("red", "PNG"))
    except (OSError, UnicodeError):
        pytest.skip("needs a file system that takes any bytes as a name")
    memory.add(image=path, texts=["red red"])
    response = client.post("/v1/search", json={"text": "red red", "k": 1})
    assert json.loads(response.content)["hits"][0]["uri"] == str(path)

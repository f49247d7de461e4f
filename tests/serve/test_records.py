"""Single records: looked at, taught, corrected, deleted."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from PIL import Image

from revln.errors import MemoryStoreError
from revln.pipeline import Memory
from serving import picture

HTML = "<script>alert(1)</script>"


def test_a_record(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    response = client.get(f"/v1/records/{ids['red']}")
    assert (response.status_code, response.json()) == (200, memory.record(ids["red"]).to_dict())


def test_a_thumb(client: Any, ids: dict[str, str]) -> None:
    response = client.get(f"/v1/records/{ids['red']}/thumb")
    assert response.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(response.content)) as thumb:
        assert (thumb.format, thumb.size) == ("WEBP", (64, 48))


def test_a_preview(client: Any, memory: Memory, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (2400, 1200), "red").save(tmp_path / "large.tiff", exif=exif)
    record = memory.add(image=tmp_path / "large.tiff")
    response = client.get(f"/v1/records/{record.id}/preview")
    assert response.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(response.content)) as preview:
        assert (preview.format, preview.size) == ("WEBP", (800, 1600))


def test_the_file(client: Any, ids: dict[str, str], photos: Path) -> None:
    response = client.get(f"/v1/records/{ids['red']}/file")
    assert response.content == (photos / "red" / "red.jpg").read_bytes()
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-disposition"] == f'inline; filename="{ids["red"]}.jpeg"'
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "sandbox" in response.headers["content-security-policy"]


def test_the_type_of_a_file_is_that_of_its_bytes(client: Any, memory: Memory, tmp_path: Path) -> None:
    photo = tmp_path / "page.html"
    photo.write_bytes(picture("red", "PNG"))
    record = memory.add(image=photo)
    response = client.get(f"/v1/records/{record.id}/file")
    assert response.headers["content-type"] == "image/png"


@pytest.mark.parametrize("data", [b"<html><script>alert(1)</script>", b"<svg onload='alert(1)'/>", b"root:x:0:0:"])
def test_what_lies_in_the_place_of_a_photo_and_is_none_is_not_sent(
    client: Any, memory: Memory, tmp_path: Path, data: bytes
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture("red"))
    record = memory.add(image=photo)
    photo.write_bytes(data)
    for name in ("file", "preview"):
        response = client.get(f"/v1/records/{record.id}/{name}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "no_file")
    photo.unlink()
    response = client.get(f"/v1/records/{record.id}/file")
    assert response.json()["error"]["message"] == "the photo cannot be read: no such file"


def test_a_record_without_a_picture(client: Any, memory: Memory) -> None:
    record = memory.add(texts=["Ada moved to Lisbon"])
    for name in ("thumb", "preview"):
        assert client.get(f"/v1/records/{record.id}/{name}").status_code == 404
    assert client.get(f"/v1/records/{record.id}/file").status_code == 404


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ("0" * 20, 404),
        ("x", 422),
        ("0" * 21, 422),
        ("A" * 20, 422),
        ("..%2f..%2fetc%2fpasswd", 404),
        ("..%2F", 404),
        ("%2e%2e", 422),
        ("%00" + "0" * 19, 422),
        ("' OR '1'='1", 422),
        ("0' OR id != '", 422),
    ],
)
def test_ids_that_are_none(client: Any, memory: Memory, record: str, status: int) -> None:
    for path in ("", "/thumb", "/file", "/duplicates"):
        assert client.get(f"/v1/records/{record}{path}").status_code == status
    assert client.patch(f"/v1/records/{record}", json={"texts": ["x"]}).status_code == status
    assert client.delete(f"/v1/records/{record}").status_code == status
    assert len(memory) == 3


def test_teaching_a_text(client: Any, memory: Memory) -> None:
    response = client.post("/v1/records", json={"texts": ["Ada moved to Lisbon in 2021"], "label": "Ada"})
    assert response.status_code == 201
    told = response.json()
    assert (told["kind"], told["source"], told["text"]) == ("text", "manual", "Ada moved to Lisbon in 2021")
    assert told == memory.record(told["id"]).to_dict()


def test_teaching_an_image(client: Any, memory: Memory, tmp_path: Path) -> None:
    data = picture((255, 128, 0), "PNG")
    form = {"texts": ["an orange wall", "fresh paint"], "label": "orange", "source": "phone"}
    response = client.post("/v1/records", files={"image": ("../../evil.sh", data)}, data=form)
    assert response.status_code == 201
    told = response.json()
    kept = tmp_path / "uploads" / f"{hashlib.sha256(data).hexdigest()[:32]}.png"
    assert (told["uri"], told["texts"], told["label"]) == (str(kept), form["texts"], "orange")
    assert (told["source"], kept.read_bytes()) == ("phone", data)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert kept.parent.stat().st_mode & 0o077 == 0
    found = client.post("/v1/search", json={"text": "an orange wall", "k": 1}).json()["hits"]
    assert [hit["id"] for hit in found] == [told["id"]]
    again = client.post("/v1/records", files={"image": data}, data={"texts": "a door"}).json()
    assert (again["id"], again["texts"], again["label"]) == (told["id"], ["a door"], "orange")
    assert len(memory) == 4


def test_teaching_an_answer_about_a_record(client: Any, memory: Memory, ids: dict[str, str], photos: Path) -> None:
    asked = {"id": ids["red"], "question": "red red", "answer": "wall"}
    response = client.post("/v1/records", json=asked)
    assert response.status_code == 201
    told = response.json()
    assert (told["kind"], told["uri"]) == ("qa", str(photos / "red" / "red.jpg"))
    assert (told["meta"]["question"], told["meta"]["answer"]) == ("red red", "wall")
    about = client.get("/v1/records", params={"about": ids["red"]}).json()
    assert [record["id"] for record in about["records"]] == [told["id"]]
    again = client.post("/v1/records", json=asked | {"answer": "dog"}).json()
    assert (again["id"], again["meta"]["answer"]) == (told["id"], "dog")
    assert client.get("/v1/records", params={"about": ids["blue"]}).json() == {"records": [], "total": 0}


def test_teaching_an_answer_about_an_image(client: Any, memory: Memory, tmp_path: Path) -> None:
    form = {"question": "What is it?", "answer": "a wall"}
    told = client.post("/v1/records", files={"image": picture("yellow")}, data=form).json()
    assert (told["kind"], Path(told["uri"]).parent) == ("qa", tmp_path / "uploads")
    alone = client.post("/v1/records", json=form).json()
    assert (alone["kind"], alone["meta"]["answer"]) == ("qa", "a wall")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"texts": ["x"]}, "an id goes with a question"),
        ({"question": "what?"}, "a question is taught with its answer"),
        ({"question": "what?", "answer": "x", "label": "y"}, "are a record of their own"),
    ],
)
def test_answers_that_cannot_be_taught(client: Any, ids: dict[str, str], asked: dict[str, Any], told: str) -> None:
    response = client.post("/v1/records", json={"id": ids["red"]} | asked)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_query")
    assert told in response.json()["error"]["message"]


def test_answers_are_taught_about_photos(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    asked = {"question": "what?", "answer": "x"}
    text = memory.add(texts=["red"])
    assert client.post("/v1/records", json=asked | {"id": text.id}).status_code == 422
    assert client.post("/v1/records", json=asked | {"id": "0" * 20}).status_code == 404
    both = client.post("/v1/records", files={"image": picture("red")}, data=asked | {"id": ids["red"]})
    assert (both.status_code, both.json()["error"]["way_out"]) == (422, "give one of the two")


def test_nothing_to_teach(client: Any) -> None:
    response = client.post("/v1/records", json={"label": "x"})
    assert response.json()["error"] == {
        "code": "invalid_query",
        "message": "nothing to add",
        "way_out": "give an image, a text, or both",
    }


def test_an_upload_that_cannot_be_taught_is_not_kept(
    client: Any, memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise MemoryStoreError("cannot write /m: the disk is full: free some space")

    monkeypatch.setattr(memory, "add", fail)
    response = client.post("/v1/records", files={"image": picture("red")})
    assert response.status_code == 503
    assert response.json()["error"] == {
        "code": "memory_unavailable",
        "message": "cannot write /m: the disk is full",
        "way_out": "free some space",
    }
    assert list((tmp_path / "uploads").iterdir()) == []


def test_correcting(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    path = f"/v1/records/{ids['red']}"
    told = client.patch(path, json={"texts": ["a blue lie", "a blue lie", " "]}).json()
    assert (told["texts"], told["label"]) == (["a blue lie"], "red")
    told = client.patch(path, json={"label": "door"}).json()
    assert (told["texts"], told["label"]) == (["a blue lie"], "door")
    told = client.patch(path, json={"texts": [], "label": None}).json()
    assert (told["texts"], told["label"]) == ([], None)
    assert told == memory.record(ids["red"]).to_dict()
    assert client.patch(path, json={"uri": "/etc/passwd"}).status_code == 422
    text = memory.add(texts=["red"])
    assert client.patch(f"/v1/records/{text.id}", json={"texts": []}).status_code == 422


def test_deleting(client: Any, memory: Memory, ids: dict[str, str], photos: Path) -> None:
    path = f"/v1/records/{ids['red']}"
    assert client.delete(path).json() == {"deleted": 1}
    assert client.delete(path).status_code == 404
    assert client.get(path).status_code == 404
    assert (photos / "red" / "red.jpg").exists()
    assert len(memory) == 2


def test_html_in_what_is_said_stays_data(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    response = client.patch(f"/v1/records/{ids['red']}", json={"texts": [HTML], "label": HTML})
    assert response.headers["content-type"] == "application/json"
    assert response.json()["texts"] == [HTML]
    for asked in ({"text": HTML}, {"text": "red", "where": f"label = '{HTML}'"}):
        response = client.post("/v1/search", json=asked)
        assert response.headers["content-type"] == "application/json"
        assert HTML in response.text
    refused = client.post("/v1/search", json={"text": "x", "sort": HTML})
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/json")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/records"),
        ("PATCH", "/v1/records/{id}"),
        ("DELETE", "/v1/records/{id}"),
        ("POST", "/v1/jobs"),
        ("DELETE", "/v1/jobs/0123456789abcdef"),
    ],
)
def test_a_server_that_only_reads(serve: Any, memory: Memory, ids: dict[str, str], method: str, path: str) -> None:
    client = serve(read_only=True)
    body = {"PATCH": {"texts": ["x"]}, "POST": {"path": "/"} if "jobs" in path else {"texts": ["x"]}}.get(method)
    response = client.request(method, path.format(id=ids["red"]), json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "read_only")
    assert len(memory) == 3


def test_no_other_route_writes(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    changing = {(method, path) for path, methods in paths.items() for method in methods if method not in {"get"}}
    reading = {("post", f"/v1/{name}") for name in ("search", "similar", "classify", "caption", "ask", "embeddings")}
    assert changing - reading == {
        ("post", "/v1/records"),
        ("patch", "/v1/records/{record}"),
        ("delete", "/v1/records/{record}"),
        ("post", "/v1/jobs"),
        ("delete", "/v1/jobs/{job}"),
    }

"""Other records of a photo's picture: copies and versions of it, not what only looks alike."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from PIL import Image

import revln
from revln.pipeline import Memory

CAT = Path(revln.__file__).parent / "samples" / "animals" / "chelsea-cat.jpg"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def cats(memory: Memory, tmp_path: Path) -> dict[str, str]:
    """Ids of a picture, a copy, two versions of it, and its mirror image, which is of the same tiny vector."""
    image = Image.open(CAT).convert("RGB").resize((320, 240))
    files = {
        "cat.png": encoded(image),
        "copy.png": encoded(image),
        "again.jpg": encoded(image, "JPEG", quality=80),
        "small.png": encoded(image.resize((160, 120))),
        "mirror.png": encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {name: memory.add(image=tmp_path / name).id for name in files}


def test_copies_and_versions_but_no_look_alikes(client: Any, cats: dict[str, str], tmp_path: Path) -> None:
    response = client.get(f"/v1/records/{cats['cat.png']}/duplicates")
    assert response.status_code == 200
    found = response.json()["duplicates"]
    assert [(it["kind"], it["id"], it["uri"]) for it in found] == [
        (kind, cats[name], str(tmp_path / name))
        for kind, name in (("exact", "copy.png"), ("near", "again.jpg"), ("near", "small.png"))
    ]
    copy, _, small = found
    assert (copy["distance"], copy["score"]) == (0, pytest.approx(1))
    assert (copy["width"], copy["height"], copy["size"]) == (320, 240, (tmp_path / "copy.png").stat().st_size)
    assert (small["width"], small["height"]) == (160, 120)
    assert small["distance"] <= 18
    alike = client.post("/v1/similar", json={"id": cats["cat.png"], "k": 4}).json()["hits"]
    assert cats["mirror.png"] in {it["id"] for it in alike}
    assert client.get(f"/v1/records/{cats['mirror.png']}/duplicates").json() == {"duplicates": []}


def test_one_is_deleted(client: Any, cats: dict[str, str], tmp_path: Path) -> None:
    path = f"/v1/records/{cats['cat.png']}/duplicates"
    assert client.delete(f"/v1/records/{cats['copy.png']}").status_code == 200
    assert [it["kind"] for it in client.get(path).json()["duplicates"]] == ["near", "near"]
    assert (tmp_path / "copy.png").exists()


def test_those_of_the_command_line_are_the_same(client: Any, cats: dict[str, str], memory: Memory) -> None:
    (group,) = (it for it in memory.duplicates(near=True).groups if cats["cat.png"] in {one.id for one in it.records})
    for record in group.records:
        told = client.get(f"/v1/records/{record.id}/duplicates").json()["duplicates"]
        assert {it["id"] for it in told} == {it.id for it in group.records} - {record.id}


def test_what_has_no_duplicates(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    text = memory.add(texts=["red"])
    for record in (text.id, ids["red"]):
        assert client.get(f"/v1/records/{record}/duplicates").json() == {"duplicates": []}


@pytest.mark.parametrize("asked", [{"k": 0}, {"k": 201}, {"k": "x"}, {"threshold": 0.9}])
def test_what_cannot_be_asked(client: Any, ids: dict[str, str], asked: dict[str, Any]) -> None:
    response = client.get(f"/v1/records/{ids['red']}/duplicates", params=asked)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


def test_a_server_that_only_reads_tells_of_them(serve: Any, cats: dict[str, str]) -> None:
    response = serve(read_only=True).get(f"/v1/records/{cats['cat.png']}/duplicates", params={"k": 200})
    assert len(response.json()["duplicates"]) == 3


def test_they_are_documented(client: Any) -> None:
    document = client.get("/openapi.json").json()
    route = document["paths"]["/v1/records/{record}/duplicates"]["get"]
    assert route["description"].startswith("Finds other records of a photo's picture")
    shape = document["components"]["schemas"]["Duplicates"]
    (example,) = shape["example"]["duplicates"]
    assert example["kind"] == "near"

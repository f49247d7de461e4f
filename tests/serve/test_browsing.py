"""Looking around without a query: the newest photos, what to filter by, what somebody who types may mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from PIL import Image

from revln.pipeline import Memory
from serving import picture
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def dated(memory: Memory, tmp_path: Path) -> Path:
    """A folder with two photos that say when they were taken."""
    folder = tmp_path / "it's 50% _dated_"
    folder.mkdir()
    for year in (2019, 2021):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"{year}:06:01 12:30:00"
        Image.new("RGB", (64, 48), "yellow").save(folder / f"{year}.jpg", exif=exif)
        memory.add(image=folder / f"{year}.jpg", source="phone")
    return folder


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [Path(record["uri"]).stem for record in response.json()["records"]]


def test_the_newest_come_first(client: Any, dated: Path) -> None:
    response = client.get("/v1/records")
    assert names(response)[:2] == ["2021", "2019"]
    assert set(names(response)[2:]) == {"red", "green", "blue"}
    assert response.json()["total"] == 5
    pages = [names(client.get("/v1/records", params={"k": 2, "offset": offset})) for offset in (0, 2, 4, 6)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert [name for page in pages for name in page] == names(response)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"taken_from": "2020-01-01"}, {"2021"}),
        ({"taken_from": "2019-06-01", "taken_to": "2019-06-01"}, {"2019"}),
        ({"taken_to": "2019-05-31"}, set()),
        ({"taken_to": "9999-12-31"}, {"2019", "2021"}),
        ({"labels": ["red", "blue"]}, {"red", "blue"}),
        ({"labels": ["x' OR '1'='1"]}, set()),
        ({"sources": ["phone"]}, {"2019", "2021"}),
        ({"folder": "{dated}"}, {"2019", "2021"}),
        ({"folder": "{dated}/"}, {"2019", "2021"}),
        ({"folder": "{dated}", "taken_from": "2020-01-01", "sources": ["phone"]}, {"2021"}),
        ({"folder": "/"}, {"red", "green", "blue", "2019", "2021"}),
        ({"folder": "') OR ('1'='1"}, set()),
    ],
)
def test_filters(client: Any, dated: Path, filters: dict[str, Any], expected: set[str]) -> None:
    asked = {name: value.format(dated=dated) if name == "folder" else value for name, value in filters.items()}
    assert set(names(client.get("/v1/records", params=asked))) == expected
    found = client.post("/v1/search", json={"text": "red", "k": 50} | asked).json()["hits"]
    assert {Path(hit["uri"]).stem for hit in found} == expected


def test_filters_go_together_with_an_expression(client: Any, dated: Path, ids: dict[str, str]) -> None:
    asked = {"text": "red", "labels": ["red", "blue"], "where": "label = 'red' OR label = 'green'"}
    assert [hit["label"] for hit in client.post("/v1/search", json=asked).json()["hits"]] == ["red"]
    similar = {"id": ids["red"], "folder": str(dated)}
    assert len(client.post("/v1/similar", json=similar).json()["hits"]) == 2
    form = {"labels": ["red"], "taken_to": "2030-01-01"}
    assert client.post("/v1/search", files={"image": picture("red")}, data=form).json()["hits"] == []
    assert client.post("/v1/search", json={"text": "red", "where": "1=1) OR (1=1", "labels": ["x"]}).status_code == 422


@pytest.mark.parametrize(
    "asked", [{"k": 0}, {"taken_from": "yesterday"}, {"ids": "x"}, {"nonsense": 1}, {"offset": -1}, {"folder": ""}]
)
def test_what_cannot_be_asked(client: Any, asked: dict[str, Any]) -> None:
    response = client.get("/v1/records", params=asked)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


def test_records_by_id(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    text = memory.add(texts=["red"])
    found = client.get("/v1/records", params={"ids": [ids["red"], text.id, "0" * 20]}).json()["records"]
    assert {record["id"] for record in found} == {ids["red"], text.id}
    assert client.get("/v1/records", params={"about": "0" * 20}).status_code == 404


def test_facets(client: Any, dated: Path, photos: Path) -> None:
    facets = client.get("/v1/facets").json()
    assert facets["photos"] == 5
    assert {it["value"]: it["photos"] for it in facets["labels"]} == {"red": 1, "green": 1, "blue": 1}
    assert {it["value"]: it["photos"] for it in facets["sources"]} == {"files": 3, "phone": 2}
    folders = {it["value"]: it["photos"] for it in facets["folders"]}
    assert (folders[str(photos)], folders[str(photos / "red")], folders[str(dated)]) == (3, 1, 2)
    assert "/" not in folders


def test_suggestions(client: Any, memory: Memory, ids: dict[str, str]) -> None:
    memory.correct(ids["red"], texts=["A Dog on the beach.", "两只狗在沙滩上奔跑。"])
    memory.correct(ids["blue"], texts=["a dog and a door"])

    def suggested(prefix: str, **options: Any) -> list[tuple[str, str, int]]:
        found = client.get("/v1/suggestions", params={"prefix": prefix, **options}).json()["suggestions"]
        return [(it["text"], it["kind"], it["photos"]) for it in found]

    assert suggested("RE") == [("red", "label", 1)]
    assert suggested("do")[:2] == [("dog", "word", 2), ("door", "word", 1)]
    assert suggested("do", k=1) == [("dog", "word", 2)]
    assert suggested("a dog on") == [("A Dog on the beach", "text", 1)]
    assert suggested("沙滩") == [("两只狗在沙滩上奔跑", "text", 1)]
    assert suggested("the") == [("A Dog on the beach", "text", 1)]  # no word to look for by itself
    assert suggested("zebra") == suggested(" ") == []
    memory.correct(ids["green"], label="zebra")
    assert suggested("zebra") == [("zebra", "label", 1)]


def test_abilities(serve: Any, tmp_path: Path) -> None:
    told = serve(roots=(tmp_path,)).get("/v1/abilities").json()
    assert (told["writes"], told["roots"], told["languages"], told["answers"]) == (
        True,
        [str(tmp_path)],
        ["en", "zh"],
        True,
    )
    told = serve(roots=(tmp_path,), read_only=True).get("/v1/abilities").json()
    assert (told["writes"], told["roots"]) == (False, [])
    silent = Memory.open(tmp_path / "silent.revln", model=make_tiny_bundle(tmp_path / "silent"))
    told = serve(memory=silent).get("/v1/abilities").json()
    assert (told["languages"], told["answers"]) == ([], False)

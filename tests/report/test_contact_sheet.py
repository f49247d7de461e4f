from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from revln.report import Section, Tile, answer_tiles, contact_sheet, hit_tiles, write_page
from revln.types import Answer, Hit, LabelScore, Record, SearchResult, Via


class Page(HTMLParser):
    """What a page holds, and whether its tags are balanced."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        self.ids += [values["id"] or ""] if "id" in values else []
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def thumb(kind: str = "WEBP") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (8, 6), "red").save(stream, kind)
    return stream.getvalue()


def result(*texts: str, matched: bool = True) -> SearchResult:
    hits = tuple(
        Hit(rank, 0.5, 0.25, Record(f"id{rank}", "files", "image", f"/photos/{rank}.jpg"), 0.5, text)
        for rank, text in enumerate(texts, start=1)
    )
    return SearchResult(hits, matched, 0.01)


def test_a_page_shows_queries_and_hits() -> None:
    found = result("a red wall", "a house")
    sections = [Section("“red”", hit_tiles(found, {"id1": thumb()}), note="note", query_thumb=thumb("JPEG"))]
    page = Page(contact_sheet("Title", sections, subtitle="sub"))
    for text in (
        "Title",
        "sub",
        "“red”",
        "note",
        "a red wall",
        "a house",
        "1.jpg",
        "2.jpg",
        "25",
        "score 0.500",
        "no picture",
    ):
        assert text in page.text
    assert [image["alt"] for image in page.images] == ["the photo searched with", "a red wall"]
    assert [(image["src"] or "").partition(";")[0] for image in page.images] == ["data:image/jpeg", "data:image/webp"]


def test_the_page_needs_no_other_file() -> None:
    page = Page(contact_sheet("T", [Section("q", [Tile("a.jpg", thumb("PNG"))])]))
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe", "object"}
    html = contact_sheet("T", [])
    assert "http" not in html.replace("http-equiv", "")
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_every_link_leads_to_a_section() -> None:
    page = Page(contact_sheet("T", [Section(name, []) for name in ("a", "b")]))
    assert {address.removeprefix("#") for address in page.addresses} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize(
    "nasty", ["<script>alert(1)</script>", '" onerror="alert(1)', "a & b", "$title ${style} $", "</style>"]
)
def test_everything_is_escaped(nasty: str) -> None:
    tile = Tile(nasty, thumb(), text=nasty, facts={nasty: nasty}, alt=nasty)
    page = Page(contact_sheet(nasty, [Section(nasty, [tile], note=nasty)], subtitle=nasty))
    assert "script" not in page.tags
    assert page.text.count(nasty) == 10
    assert page.images[0]["alt"] == nasty
    assert set(page.images[0]) == {"src", "alt"}


def test_hits_that_do_not_fit_are_faded() -> None:
    tiles = hit_tiles(result("x"), {})
    assert 'class="grid weak"' in contact_sheet("T", [Section("q", tiles, found=False)])
    assert 'class="grid weak"' not in contact_sheet("T", [Section("q", tiles)])


def test_the_knowledge_that_led_to_a_photo_is_named() -> None:
    via = Via("k", "label", "freshwater fish", "tench", "wordnet:1", 0.97)
    hits = (dataclasses.replace(result("a pond")[0], via=via), result("x")[0])
    led, direct = hit_tiles(SearchResult(hits, True, 0.01), {})
    assert led.facts["via"] == "label: freshwater fish"
    assert "via" not in direct.facts


def test_answers_become_tiles() -> None:
    scores = (LabelScore("cat", 0.8), LabelScore("dog", 0.15), LabelScore("owl", 0.05))
    (tile,) = answer_tiles([Answer("/p/a.jpg", "cat", 0.8, labels=scores)], {"/p/a.jpg": thumb()})
    assert (tile.title, tile.text, tile.share, tile.thumb) == ("a.jpg", "cat", 0.8, thumb())
    assert dict(tile.facts) == {"dog": "15%", "owl": "5%"}


@pytest.mark.parametrize(("share", "shown"), [(0.254, "25&nbsp;%"), (-0.1, ">0&nbsp;%"), (1.2, "100&nbsp;%")])
def test_shares_are_percentages(share: float, shown: str) -> None:
    assert shown in contact_sheet("T", [Section("q", [Tile("a", None, share=share)])])


def test_a_page_replaces_another_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    write_page(path, "one")
    write_page(path, "zwei: ü")
    assert path.read_text(encoding="utf-8") == "zwei: ü"
    assert [entry.name for entry in path.parent.iterdir()] == ["page.html"]


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match=r"page\.html"):
        write_page(tmp_path / "page.html", "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]

"""A contact sheet: one HTML page with small pictures of what was found, which needs no other file."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path, PurePath
from string import Template

from revln.types import Answer, SearchResult

__all__ = ["Section", "Tile", "answer_tiles", "contact_sheet", "hit_tiles", "write_page"]

_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture with what is said of it.

    Attributes:
        title: short, such as the file's name.
        thumb: the encoded small picture; ``None`` for records without one.
        text: caption or label.
        share: 0 to 1, shown as a bar and in percent.
        facts: small print by name.
        alt: what the picture shows, for those who cannot see it; the text, else the title, when empty.
    """

    title: str
    thumb: bytes | None
    text: str = ""
    share: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One query and what it found.

    Attributes:
        title: the query.
        tiles: in the order to be shown.
        note: a sentence about it.
        query_thumb: the encoded picture that was searched with.
        found: False fades the tiles, for what does not fit well.
    """

    title: str
    tiles: Sequence[Tile]
    note: str = ""
    query_thumb: bytes | None = None
    found: bool = True


def hit_tiles(result: SearchResult, thumbs: Mapping[str, bytes]) -> list[Tile]:
    """A tile for each hit.

    Args:
        result: of a search.
        thumbs: encoded small pictures by record id.
    """
    return [
        Tile(
            title=PurePath(hit.record.uri).name,
            thumb=thumbs.get(hit.record.id),
            text=hit.text or hit.record.label or "",
            share=hit.probability,
            facts={
                "rank": str(hit.rank),
                "score": f"{hit.score:.3f}",
                **({"via": f"{hit.via.kind}: {hit.via.text}"} if hit.via else {}),
            },
        )
        for hit in result.hits
    ]


def answer_tiles(answers: Sequence[Answer], thumbs: Mapping[str, bytes]) -> list[Tile]:
    """A tile for each answer.

    Args:
        answers: about one photo each.
        thumbs: encoded small pictures by uri.
    """
    return [
        Tile(
            title=PurePath(answer.uri).name,
            thumb=thumbs.get(answer.uri),
            text=answer.text,
            share=answer.confidence,
            facts={label.label: f"{label.confidence:.0%}" for label in answer.labels[1:3]},
        )
        for answer in answers
    ]


def contact_sheet(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """The page as HTML; everything given is escaped.

    Args:
        title: of the page.
        sections: one a query.
        subtitle: a sentence below the title.
    """
    page = Template(_resource("contact_sheet.html"))
    return page.substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        style=_resource("contact_sheet.css"),
        contents="\n".join(
            f'<li><a href="#s{number}">{escape(section.title)}</a></li>' for number, section in enumerate(sections, 1)
        ),
        sections="\n".join(_section(number, section) for number, section in enumerate(sections, 1)),
    )


def write_page(path: Path, html: str) -> None:
    """Writes a page, which appears as a whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(html, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _section(number: int, section: Section) -> str:
    query = ""
    if section.query_thumb is not None:
        query = f'<img class="query" src="{_data_uri(section.query_thumb)}" alt="the photo searched with">'
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ""
    tiles = "\n".join(_tile(tile) for tile in section.tiles)
    grid = f'<ul class="grid{"" if section.found else " weak"}">\n{tiles}\n</ul>' if section.tiles else ""
    heading = f'<header>{query}<div><h2 id="h{number}">{escape(section.title)}</h2>{note}</div></header>'
    return f'<section id="s{number}" aria-labelledby="h{number}">\n{heading}\n{grid}\n</section>'


def _tile(tile: Tile) -> str:
    alt = escape(tile.alt or tile.text or tile.title)
    picture = '<div class="blank" aria-hidden="true">no picture</div>'
    if tile.thumb is not None:
        picture = f'<img src="{_data_uri(tile.thumb)}" alt="{alt}">'
    text = f'<p class="text">{escape(tile.text)}</p>' if tile.text else ""
    facts = " &middot; ".join(f"{escape(name)} {escape(value)}" for name, value in tile.facts.items())
    small = f'<p class="facts">{facts}</p>' if facts else ""
    title = f'<p class="title">{escape(tile.title)}</p>'
    return f"<li><figure>{picture}<figcaption>{_share(tile.share)}{text}{title}{small}</figcaption></figure></li>"


def _share(share: float | None) -> str:
    if share is None:
        return ""
    percent = round(100 * min(max(share, 0.0), 1.0))
    bar = f'<span class="bar" aria-hidden="true"><span style="width:{percent}%"></span></span>'
    return f'<p class="share">{bar}<b>{percent}&nbsp;%</b></p>'


def _data_uri(picture: bytes) -> str:
    kind = next((kind for signature, kind in _SIGNATURES if picture.startswith(signature)), "image/webp")
    return f"data:{kind};base64,{b64encode(picture).decode('ascii')}"


def _resource(name: str) -> str:
    return files("revln.report").joinpath(name).read_text(encoding="utf-8")

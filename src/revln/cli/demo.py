"""``revln demo``: a first look, with the photos that ship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revln.cli.command import Reply, command
from revln.cli.index import show_report
from revln.cli.opening import open_memory
from revln.cli.options import ModelName
from revln.cli.output import console, progress_bar, say, short_path
from revln.cli.samples import captions_file, samples_directory

if TYPE_CHECKING:
    from revln.pipeline import Memory
    from revln.report import Section
    from revln.types import Answer, IndexReport, SearchResult

__all__ = ["demo"]

_MEMORY = "demo.revln"
_PAGE = "contact-sheet.html"
_HITS = 5
_QUERY_PHOTO = "animals/german-shepherd.jpg"
_CLASSIFIED = ("animals/chelsea-cat.jpg", "food/coffee.jpg", "places/night-bridge.jpg", "things/rocket.jpg")
_LABELS = ("cat", "dog", "cup of coffee", "bridge at night", "mountain", "rocket", "flower")


@dataclass(frozen=True, slots=True)
class _Query:
    """A search of the demonstration.

    Attributes:
        title: what it shows.
        arguments: of ``Memory.search``.
    """

    title: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A query and its result."""

    query: _Query
    result: SearchResult


def _plain_queries() -> list[_Query]:
    photo = samples_directory() / _QUERY_PHOTO
    return [
        _Query("“a dog”", {"text": "a dog"}),
        _Query("“flowers in a meadow”", {"text": "flowers in a meadow"}),
        _Query(f"like {photo.name}, but not itself", {"image": photo, "where": _other_than(photo)}),
        _Query(f"like {photo.name}, and “snow”", {"image": photo, "text": "snow", "text_weight": 0.6}),
        _Query("“an x-ray of a broken wrist” (there is none)", {"text": "an x-ray of a broken wrist"}),
    ]


def _other_than(photo: Path) -> str:
    return "uri != '" + str(photo).replace("'", "''") + "'"


def _caption_queries() -> list[_Query]:
    return [_Query("“festival in Japan”, by meaning and words", {"text": "festival in Japan", "mode": "hybrid"})]


@command("demo", "revln demo", "revln demo --out /tmp/look")
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the memory and the page go.")] = Path("demo"),
    model: ModelName = None,
) -> Reply:
    """Take a first look: index, search and classify the photos that ship.

    Writes a page with what was found. The photos are indexed alone first, so that all that is found is found by what
    they show; then with their captions.
    """
    memory = open_memory(out / _MEMORY, model, create=True)
    memory.delete(where="true")  # else a second look would find the captions of the first
    alone = _index(memory, captions=None)
    found = _run(memory, _plain_queries())
    answers = _classify(memory)
    captioned = _index(memory, captions=captions_file())
    found_with_captions = _run(memory, _caption_queries())
    page = out / _PAGE
    _write_page(page, memory, [*found, *found_with_captions], answers)
    return Reply(
        {
            "memory": str(memory.path),
            "page": str(page),
            "index": alone.to_dict(),
            "index_with_captions": captioned.to_dict(),
            "searches": [{"query": it.query.title, **it.result.to_dict()} for it in (*found, *found_with_captions)],
            "classes": [answer.to_dict() for answer in answers],
        },
        lambda: _show(memory, page, (alone, found, answers), (captioned, found_with_captions)),
    )


def _index(memory: Memory, captions: Path | None) -> IndexReport:
    from revln.pipeline import index

    with progress_bar("Indexing", "photos") as progress:
        return index([samples_directory()], memory=memory, captions=captions, source="samples", progress=progress)


def _run(memory: Memory, queries: Sequence[_Query]) -> list[_Found]:
    return [_Found(query, memory.search(k=_HITS, **query.arguments)) for query in queries]


def _classify(memory: Memory) -> list[Answer]:
    from revln.pipeline import classify_all

    photos = [samples_directory() / name for name in _CLASSIFIED]
    return list(classify_all(photos, labels=_LABELS, model=memory.model))


def _write_page(page: Path, memory: Memory, found: Sequence[_Found], answers: Sequence[Answer]) -> None:
    from revln.report import Section, answer_tiles, contact_sheet, write_page

    hits = [hit.record for it in found for hit in it.result.hits]
    thumbs = memory.thumbs([record.id for record in hits])
    sections = [_section(it, thumbs) for it in found]
    pictures = {answer.uri: _thumb(Path(answer.uri)) for answer in answers}
    note = f"Each photo among: {', '.join(_LABELS)}. None of these was trained for or stored."
    sections.append(Section("Classes", answer_tiles(answers, pictures), note))
    subtitle = f"{len(memory)} photos, found by {memory.model.card.name} {memory.model.card.version} with no network"
    write_page(page, contact_sheet("revln: what it found", sections, subtitle=subtitle))


def _section(found: _Found, thumbs: dict[str, bytes]) -> Section:
    from revln.report import Section, hit_tiles

    image = found.query.arguments.get("image")
    return Section(
        title=found.query.title,
        tiles=hit_tiles(found.result, thumbs),
        note="" if found.result.matched else "No photo fits well; these are the nearest.",
        query_thumb=None if image is None else _thumb(image),
        found=found.result.matched,
    )


def _thumb(photo: Path) -> bytes:
    from revln.images import encode_thumb, open_image

    return encode_thumb(open_image(photo))


def _show(
    memory: Memory,
    page: Path,
    alone: tuple[IndexReport, Sequence[_Found], Sequence[Answer]],
    captioned: tuple[IndexReport, Sequence[_Found]],
) -> None:
    from revln.cli.tables import show_answers

    _heading("Indexing the sample photos, without a word about them")
    show_report(alone[0])
    _show_found(alone[1])
    _heading(f"Which of {', '.join(_LABELS)}?")
    show_answers(alone[2], below=samples_directory())
    _heading("Indexing again, now with captions")
    show_report(captioned[0])
    _show_found(captioned[1])
    _heading("Try next")
    say(f"  look at {short_path(str(page.absolute()))} in a browser")
    say(f'  revln search "a cat" --memory {memory.path}')
    say("  revln index ~/Photos")
    say('  revln search "a birthday cake"')


def _show_found(found: Sequence[_Found]) -> None:
    from revln.cli.tables import show_hits

    for it in found:
        _heading(f"Search: {it.query.title} ({1000 * it.result.seconds:.0f} ms)")
        show_hits(it.result, below=samples_directory())


def _heading(title: str) -> None:
    console().print(f"\n{title}", style="bold", markup=False)

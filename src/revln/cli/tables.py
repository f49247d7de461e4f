"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from revln.cli.output import console, plain, say, short_path
from revln.types import Answer, Hit, SearchResult

__all__ = ["facts_table", "show_answers", "show_hits", "show_rows", "show_told"]

_CAPTION_WIDTH = 60
_LABELS_SHOWN = 3
_EVIDENCE_SHOWN = 3


def show_hits(result: SearchResult, below: Path | None = None) -> None:
    """A table of hits; says first when none of them fits.

    Args:
        result: of a search.
        below: folder to which paths are shown relative.
    """
    if not result.hits:
        say("Nothing found.")
        return
    if not result.matched:
        say("No photo fits well; the nearest are:")
    out = console()
    table = _table()
    for heading in ("#", "fits", "score"):
        table.add_column(heading, justify="right")
    table.add_column("photo", overflow="fold")
    if any(describe(hit) for hit in result.hits):
        width = _CAPTION_WIDTH if out.is_terminal else None
        table.add_column("caption or label", max_width=width, overflow="ellipsis", no_wrap=True)
    for hit in result.hits:
        cells: list[str | Text] = [
            str(hit.rank),
            _percent(hit.probability),
            f"{hit.score:.3f}",
            _path(hit.record.uri, below),
        ]
        cells += [describe(hit)] * (len(table.columns) - len(cells))
        table.add_row(*cells, style="" if result.matched else "dim")
    out.print(table)


def show_answers(answers: Sequence[Answer], below: Path | None = None) -> None:
    """A table of classified photos, each with its next best classes and the records it rests on.

    Args:
        answers: one a photo.
        below: folder to which paths are shown relative.
    """
    table = _table()
    for name in ("photo", "label"):
        table.add_column(name, overflow="fold")
    table.add_column("sure", justify="right")
    table.add_column("or rather", overflow="fold")
    table.add_column("because of", overflow="fold")
    for answer in answers:
        others = ", ".join(f"{plain(it.label)} {_percent(it.confidence)}" for it in answer.labels[1:_LABELS_SHOWN])
        table.add_row(
            _path(answer.uri, below),
            Text(plain(answer.text), style="bold"),
            _percent(answer.labels[0].confidence),
            Text(others),
            Text(_evidence(answer)),
        )
    console().print(table)


def show_told(answers: Sequence[Answer], below: Path | None = None) -> None:
    """Each photo with its caption or answer, and below it the records that it rests on with their weights.

    Args:
        answers: one a photo.
        below: folder to which paths are shown relative.
    """
    out = console()
    for answer in answers:
        out.print(_path(answer.uri, below))
        if answer.question is not None:
            out.print(Text(f"  {plain(answer.question)}"))
        sure = ""
        if answer.question is not None and answer.confidence is not None:
            sure = f"  {_percent(answer.confidence)} sure"
        out.print(Text(f"  {plain(answer.text)}", style="bold") + Text(sure, style="dim"))
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1, 0, 1))
        table.add_column(justify="right", style="dim")
        table.add_column(overflow="fold", style="dim")
        table.add_column(overflow="ellipsis", no_wrap=True, style="dim")
        for evidence in answer.evidence[:_EVIDENCE_SHOWN]:
            table.add_row(_percent(evidence.weight), _path(evidence.hit.record.uri, below), describe(evidence.hit))
        table.add_row(_percent(answer.none_weight), "the photo itself", "")
        out.print(table)


def show_rows(columns: Mapping[str, str], rows: Iterable[Sequence[str]]) -> None:
    """Any table.

    Args:
        columns: headings, each with ``left`` or ``right``.
        rows: cells as plain text.
    """
    table = _table()
    for heading, side in columns.items():
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    console().print(table)


def facts_table(facts: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    table = _table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(plain(str(value))))
    console().print(table)


def describe(hit: Hit) -> Text:
    """The caption that matched, else the label; and the knowledge that led here."""
    via = f"via {hit.via.kind}: {hit.via.text}" if hit.via else None
    generated = "generated" if hit.text and hit.text not in hit.record.told else None
    return Text(plain(" \N{MIDDLE DOT} ".join(filter(None, (hit.text or hit.record.label, generated, via)))))


def _table(*, show_header: bool = True) -> Table:
    return Table(box=None, pad_edge=False, show_header=show_header, header_style="dim")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _path(uri: str, below: Path | None) -> Text:
    path = Path(uri)
    if not path.is_absolute():
        return Text(plain(uri))
    inside = below is not None and path.is_relative_to(below)
    return Text(plain(str(path.relative_to(below))) if below and inside else short_path(uri), f"link {path.as_uri()}")


def _evidence(answer: Answer) -> str:
    if not answer.evidence:
        return "the model alone"
    strongest = answer.evidence[0]
    more = f" and {len(answer.evidence) - 1} more" if len(answer.evidence) > 1 else ""
    return f"{short_path(strongest.hit.record.uri)}{more}"

"""``revln search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import open_memory
from revln.cli.options import KindName, MemoryPath, ModelName, ModeName, Where
from revln.cli.output import say, warn
from revln.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revln.types import Kind, SearchResult

__all__ = ["search"]

_KINDS_HELP = f"Find these instead of photos: {', '.join(KindName)}; repeatable."


@command(
    "search",
    'revln search "a dog in the snow"',
    "revln search --image beach.jpg -k 20",
    """revln search "birthday cake" --where "taken_at >= '2024-01-01'" --sort -taken_at""",
    'revln search "red car" --mode hybrid --paths',
    'revln search "a fish kept in ponds" --source files --source wordnet --weight wordnet=0.5',
)
def search(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="What to look for, as a sentence.")] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="A photo that the hits should resemble.")
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many hits.")] = 10,
    offset: Annotated[int, typer.Option("--offset", metavar="N", help="How many of the best to leave out.")] = 0,
    where: Where = None,
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="score, or a column like taken_at; -taken_at for latest first.")
    ] = "score",
    min_score: Annotated[
        float | None, typer.Option("--min-score", metavar="S", help="Leave out hits with a smaller cosine.")
    ] = None,
    mode: Annotated[
        ModeName, typer.Option("--mode", help="By meaning (vector), by the words of captions (text), or by both.")
    ] = ModeName.VECTOR,
    text_weight: Annotated[
        float, typer.Option("--text-weight", metavar="W", help="Say of the text when there is an image too, 0 to 1.")
    ] = 0.5,
    kind: Annotated[list[KindName] | None, typer.Option("--kind", metavar="KIND", help=_KINDS_HELP)] = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="Only what comes from this source; repeatable."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            "--weight", metavar="NAME=W", help="Multiply the odds of what is of a source or kind; repeatable."
        ),
    ] = None,
    knowledge: Annotated[
        bool, typer.Option("--knowledge/--no-knowledge", help="Follow texts that fit to the photos they are about.")
    ] = True,
    rerank: Annotated[
        bool,
        typer.Option("--rerank", help="Have the generator look at the best hits again, which is slower."),
    ] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print the paths of the hits and nothing else.")] = False,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Find photos by a sentence, by another photo, or by both."""
    result = open_memory(memory, model).search(
        text,
        image,
        k=k,
        offset=offset,
        where=where,
        mode=mode.value,
        sort=sort,
        min_score=min_score,
        kinds=cast("Sequence[Kind]", [name.value for name in kind]) if kind else None,
        sources=source or None,
        weights=_weights(weight or ()),
        knowledge=knowledge,
        text_weight=text_weight,
        rerank=rerank,
    )
    for warning in result.warnings:
        warn(warning)
    return Reply(result.to_dict(), lambda: _show_paths(result) if paths else _show(result))


def _weights(given: Sequence[str]) -> dict[str, float]:
    weights = {}
    for entry in given:
        name, _, number = entry.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise QueryError(f"{entry!r} is no weight: write it like wordnet=0.5")
    return weights


def _show_paths(result: SearchResult) -> None:
    for hit in result.hits:
        say(hit.record.uri)


def _show(result: SearchResult) -> None:
    from revln.cli.tables import show_hits

    show_hits(result)

"""``revln index``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import open_memory
from revln.cli.options import CaptionsPath, LanguageName, MemoryPath, ModelName, SourceName
from revln.cli.output import plain, progress_bar, say, short_path

if TYPE_CHECKING:
    from revln.types import IndexReport

__all__ = ["index", "show_report"]

_SKIPPED_SHOWN = 20


@command(
    "index",
    "revln index ~/Photos",
    "revln index flickr8k/images --captions flickr8k/captions.txt",
    "revln index flowers --labels-from-folders --exclude '*.png' --prune",
    "revln index captions.jsonl shard-000.tar --source web",
    "revln index /usr/share/wordnet --source wordnet",
)
def index(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Folders, photos, tables (JSONL, Parquet), captions or questions (JSON), WebDataset shards, notes, "
            "WordNet.",
        ),
    ],
    captions: CaptionsPath = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="The name of a photo's folder is its class.")
    ] = False,
    source: SourceName = "files",
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Files and folders to leave out; repeatable.")
    ] = None,
    notes: Annotated[
        bool, typer.Option("--notes", help="Take the text files (.md, .markdown, .txt) in folders too.")
    ] = False,
    wordnet_all: Annotated[
        bool, typer.Option("--wordnet-all", help="Of WordNet, all nouns instead of the model's classes.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete the records of what is no longer there.")] = False,
    describe: Annotated[
        bool,
        typer.Option("--describe", help="Then caption photos without a text, so that words find them."),
    ] = False,
    language: LanguageName = None,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Index photos and other knowledge, so that they can be found.

    Run it again at any time: only what is new or changed is read, and captions and labels given once are kept. What
    cannot be read is listed and skipped.
    """
    from revln.sources import kind_of

    for path in paths:
        kind_of(path)  # a misspelt path is told before a memory is made
    opened = open_memory(memory, model, create=True)
    from revln.pipeline import index as index_photos

    with progress_bar("Indexing", "records") as progress:
        report = index_photos(
            paths,
            memory=opened,
            captions=captions,
            labels_from_folders=labels_from_folders,
            source=source,
            exclude=tuple(exclude or ()),
            notes=notes,
            all_nouns=wordnet_all,
            prune=prune,
            progress=progress,
        )
    if not describe:
        return Reply(report.to_dict(), lambda: _show(report, opened.path))
    from revln.pipeline import describe as describe_photos

    with progress_bar("Describing", "photos") as progress:
        described = describe_photos(opened, language=language, progress=progress)
    return Reply({**report.to_dict(), "described": described}, lambda: _show(report, opened.path, described))


def _show(report: IndexReport, path: Path, described: int | None = None) -> None:
    show_report(report)
    if described is not None:
        say(f"{described:,} photos described")
    say(f"{report.records:,} records in {short_path(str(path.absolute()))}")


def show_report(report: IndexReport) -> None:
    """Counts of a run, and what was skipped."""
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "deleted, no longer there": report.pruned,
        "skipped": len(report.skipped),
        "ignored, no photos": report.ignored,
    }
    listed = [f"{count:,} {name}" for name, count in counts.items() if count or name == "added"]
    done = report.added + report.updated
    rate = f", {done / report.seconds:.0f} records/s" if done and report.seconds > 0 else ""
    say(f"{'; '.join(listed)} ({report.seconds:.1f} s{rate})")
    if not report.skipped:
        return
    say("Skipped:")
    for skipped in report.skipped[:_SKIPPED_SHOWN]:
        say(f"  {short_path(skipped.path)}: {plain(skipped.reason)}")
    more = len(report.skipped) - _SKIPPED_SHOWN
    if more > 0:
        say(f"  ... and {more:,} more (use --json for all)")

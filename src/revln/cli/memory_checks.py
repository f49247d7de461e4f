"""``revln memory verify``, ``duplicates`` and ``audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import check_processor, open_memory
from revln.cli.options import MemoryPath, Where
from revln.cli.output import plain, progress_bar, say, short_path
from revln.config import default_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revln.pipeline.audit import AuditReport
    from revln.pipeline.duplicates import DuplicateReport
    from revln.store.verification import Check

__all__ = ["audit", "duplicates", "verify"]

_LOOK_ALIKES_SHOWN = 10


@command("verify", "revln memory verify", "revln memory verify --repair", "revln memory verify --full --json")
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make indexes anew and remove left-overs. Records are never touched.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Decode each preview instead of some.")] = False,
    memory: MemoryPath = None,
) -> Reply:
    """Check that the memory is whole: every record read, every vector and index looked at."""
    check_processor()
    from revln.pipeline.verification import verify as verify_memory

    path = memory or default_memory()
    with progress_bar("Checking", "records") as progress:
        checks = verify_memory(path, full=full, repair=repair, progress=progress)
    ok = all(check.ok for check in checks)
    data = {"path": str(path.absolute()), "ok": ok, "checks": [check.to_dict() for check in checks]}
    return Reply(data, lambda: _show_checks(checks), exit_code=0 if ok else 1)


@command("duplicates", "revln memory duplicates", "revln memory duplicates --near --json")
def duplicates(
    near: Annotated[
        bool,
        typer.Option("--near", help="Also photos that were resized, recompressed, brightened or cropped a little."),
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="COSINE", help="Cosine from which photos are compared; 0.75 if not given."),
    ] = None,
    memory: MemoryPath = None,
) -> Reply:
    """List photos that the memory holds several times, the best to keep first. Nothing is deleted."""
    opened = open_memory(memory)
    with progress_bar("Comparing", "photos") as progress:
        report = opened.duplicates(near=near, threshold=threshold, progress=progress)
    return Reply(report.to_dict(), lambda: _show_duplicates(report))


@command(
    "audit",
    "revln memory audit ~/Photos/ada.jpg",
    'revln memory audit ~/Photos/ada.jpg --query "Ada on the beach"',
    """revln memory audit ada.jpg --query "a beach" --where "taken_at >= '2024' AND camera LIKE 'Canon%'\"""",
)
def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The photo; it need not exist any more.")],
    query: Annotated[str | None, typer.Option("--query", metavar="TEXT", help="What was looked for.")] = None,
    where: Where = None,
    memory: MemoryPath = None,
) -> Reply:
    """Tell why a photo is found, or is not."""
    report = open_memory(memory).audit(file, query=query, where=where)
    return Reply(report.to_dict(), lambda: _show_audit(report))


def _show_checks(checks: Sequence[Check]) -> None:
    from revln.cli.tables import show_rows

    rows = [("ok" if it.ok else "WRONG", it.check, it.detail, it.repair or "") for it in checks]
    show_rows(dict.fromkeys(("", "check", "found", "to do"), "left"), rows)


def _show_duplicates(report: DuplicateReport) -> None:
    if not report.groups:
        say("No duplicates.")
    for group in report.groups:
        say(f"{group.kind}:")
        for place, it in enumerate(group.records):
            size = f"{it.width} x {it.height}, {it.size / 1e3:,.0f} kB"
            say(f"  {'keep ' if place == 0 else '     '} {short_path(it.uri)} ({size})")
    for pair in report.look_alikes[:_LOOK_ALIKES_SHOWN]:
        one, two = (short_path(it.uri) for it in pair.records)
        say(f"similar, not the same ({pair.score:.2f}): {one}, {two}")
    more = len(report.look_alikes) - _LOOK_ALIKES_SHOWN
    if more > 0:
        say(f"... and {more:,} more look-alikes (use --json for all)")


def _show_audit(report: AuditReport) -> None:
    say(f"{short_path(report.path)}: {'found' if report.is_found else 'not found'}")
    for sentence in report.because:
        say(f"  {plain(sentence)}")

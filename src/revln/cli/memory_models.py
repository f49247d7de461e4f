"""``revln memory migrate``, ``rollback``, ``export`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import check_processor, open_memory
from revln.cli.options import MemoryPath, ModelName
from revln.cli.output import progress_bar, say, short_path, warn

if TYPE_CHECKING:
    from revln.pipeline.migration import MigrationReport
    from revln.pipeline.transfer import ImportReport

__all__ = ["export", "import_", "migrate", "rollback"]

_Parquet = Annotated[Path, typer.Argument(metavar="FILE.parquet", help="One file with all records.")]


@command("migrate", "revln memory migrate --model base", "revln memory migrate --model ./my-bundle")
def migrate(
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The new model, by name or directory.")],
    memory: MemoryPath = None,
) -> Reply:
    """Move the memory to another model. Searching goes on meanwhile; a stopped run goes on where it was."""
    opened = open_memory(memory)
    with progress_bar("Embedding", "records") as progress:
        report = opened.migrate(model, progress=progress)
    return Reply(report.to_dict(), lambda: _show_migration(report))


@command("rollback", "revln memory rollback")
def rollback(memory: MemoryPath = None) -> Reply:
    """Return to the model before the last migration. No record is lost."""
    opened = open_memory(memory)
    with progress_bar("Embedding", "records") as progress:
        report = opened.rollback(progress=progress)
    return Reply(report.to_dict(), lambda: _show_migration(report))


@command("export", "revln memory export photos.parquet", "revln memory export photos.parquet --vectors")
def export(
    file: _Parquet,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="With the vectors, so that an import need not embed.")
    ] = False,
    memory: MemoryPath = None,
) -> Reply:
    """Write all records, previews included, to a Parquet file."""
    opened = open_memory(memory)
    with progress_bar("Exporting", "records") as progress:
        records = opened.export(file, vectors=vectors, progress=progress)
    out, size = str(file.absolute()), file.stat().st_size
    return Reply(
        {"out": out, "records": records, "bytes": size},
        lambda: say(f"{records:,} records, {size / 1e6:,.1f} MB in {short_path(out)}"),
    )


@command("import", "revln memory import photos.parquet", "revln memory import photos.parquet --memory other.revln")
def import_(file: _Parquet, memory: MemoryPath = None, model: ModelName = None) -> Reply:
    """Take in the records of an export. The memory is made when it is missing, with the model of the export if at hand.

    Of two records with one id the one that was indexed later is kept, so importing again changes nothing.
    """
    check_processor()
    from revln.pipeline.transfer import model_of_export

    made_with = model_of_export(file)
    opened = open_memory(memory, model, create=False) if _exists(memory) else None
    opened = opened or open_memory(memory, model or made_with, create=True)
    with progress_bar("Importing", "records") as progress:
        report = opened.import_file(file, progress=progress)
    return Reply(report.to_dict(), lambda: _show_import(report))


def _exists(memory: Path | None) -> bool:
    from revln.config import default_memory

    return (memory or default_memory()).exists()


def _show_migration(report: MigrationReport) -> None:
    say(
        f"{report.records:,} records now use {report.encoder_id} ({report.embedded:,} embedded, {report.seconds:.1f} s)"
    )
    _show_embedded(report.from_thumbs, report.without_picture)
    say("`revln memory rollback` returns to " + report.previous)


def _show_import(report: ImportReport) -> None:
    say(f"{report.added:,} added; {report.updated:,} updated; {report.unchanged:,} unchanged ({report.seconds:.1f} s)")
    if report.embedded:
        say(f"{report.embedded:,} embedded")
    _show_embedded(report.from_thumbs, report.without_picture)


def _show_embedded(from_thumbs: int, without_picture: tuple[str, ...]) -> None:
    if from_thumbs:
        say(f"{from_thumbs:,} from their previews, since the file is gone or has changed")
    for uri in without_picture:
        warn(f"{short_path(uri)}: neither file nor preview is there; it is found by its texts only")

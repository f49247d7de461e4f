"""``revln memory``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.memory_checks import audit, duplicates, verify
from revln.cli.memory_models import export, import_, migrate, rollback
from revln.cli.opening import open_memory
from revln.cli.options import MemoryPath, ModelName, RecordLabel, Where
from revln.cli.output import plain, say, short_path

if TYPE_CHECKING:
    from revln.store import MemoryInfo
    from revln.store.sizes import Storage

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look into a memory, teach it by hand, and keep it in order."
)


@command(
    "add",
    'revln memory add --image ada.jpg --text "Ada on the beach"',
    "revln memory add --image rose.jpg --label rose",
    'revln memory add --image rex.jpg --question "What is the name of the dog?" --answer Rex',
)
def add(
    image: Annotated[Path | None, typer.Option("--image", metavar="FILE", help="A photo.")] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="What is to be known of it; repeatable.")
    ] = None,
    label: RecordLabel = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="The source; the one the photo has, or manual, if not given."),
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="A question, about the photo or not.")
    ] = None,
    answer: Annotated[str | None, typer.Option("--answer", metavar="TEXT", help="Its answer.")] = None,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Teach the memory one thing: a photo with what is to be known of it, a text alone, or the answer to a question.

    A photo that was indexed keeps its record: texts that are given replace its texts, a label its label.
    """
    record = open_memory(memory, model, create=True).add(
        image=image, texts=tuple(text or ()), label=label, source=source, question=question, answer=answer
    )
    about = record.texts[0] if image is None else short_path(record.uri)
    return Reply(record.to_dict(), lambda: say(f"added {plain(about)} as {record.id}"))


@command("info", "revln memory info", "revln memory info --memory photos.revln --json")
def info(memory: MemoryPath = None) -> Reply:
    """Show what the memory holds, what it takes on disk, and with which model it was made."""
    opened = open_memory(memory)
    found, storage = opened.info(), opened.storage()
    path = str(opened.path.absolute())
    return Reply({"path": path, **found.to_dict(), **storage.to_dict()}, lambda: _show_info(path, found, storage))


@command(
    "delete",
    "revln memory delete --missing-files",
    """revln memory delete --where "source = 'old'" --purge""",
    "revln memory delete --id 3f0c1b9a7e5d2c4b6a80",
)
def delete(
    where: Where = None,
    ids: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="This record; repeatable.")] = None,
    missing_files: Annotated[bool, typer.Option("--missing-files", help="The records whose file is gone.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove every trace of all deleted records from the disk as well, now.")
    ] = False,
    memory: MemoryPath = None,
) -> Reply:
    """Delete records. The photos themselves are never touched."""
    deleted = open_memory(memory).delete(where=where, ids=ids or None, missing_files=missing_files, purge=purge)
    return Reply({"deleted": deleted}, lambda: say(f"deleted {_counted(deleted)}"))


@command("relocate", "revln memory relocate /media/old/Photos ~/Photos")
def relocate(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The folder as it was.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The folder as it is now.")],
    memory: MemoryPath = None,
) -> Reply:
    """Follow a folder of photos that was moved; nothing is read again."""
    moved = open_memory(memory).relocate(old, new)
    return Reply({"relocated": moved}, lambda: say(f"relocated {_counted(moved)}"))


@command("compact", "revln memory compact", "revln memory compact --drop-old", "revln memory compact --purge")
def compact(
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Drop the vectors of earlier models, which ends rollback.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove old versions and every trace of deleted records now.")
    ] = False,
    memory: MemoryPath = None,
) -> Reply:
    """Tidy up the memory's files. This happens by itself as well; use it to free space."""
    opened = open_memory(memory)
    before = opened.info().bytes
    opened.compact(purge=purge, drop_old=drop_old)
    after = opened.info().bytes
    return Reply(
        {"bytes_before": before, "bytes": after}, lambda: say(f"{_megabytes(before)} before, {_megabytes(after)} now")
    )


def _counted(records: int) -> str:
    return f"{records:,} {'record' if records == 1 else 'records'}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _show_info(path: str, found: MemoryInfo, storage: Storage) -> None:
    from revln.cli.tables import facts_table

    sizes = ", ".join(f"{_megabytes(size)} {name.replace('_', ' ')}" for name, size in storage.sizes.items() if size)
    lock = storage.lock
    facts = {
        "memory": short_path(path),
        "records": f"{found.records:,}",
        "kinds": ", ".join(f"{count:,} {name}" for name, count in found.kinds.items()) or "-",
        "sources": ", ".join(f"{count:,} from {name}" for name, count in found.sources.items()) or "-",
        "skipped": f"{storage.skipped:,} files, see revln memory audit" if storage.skipped else "-",
        "vectors": f"{found.image_vectors:,} of images, {found.text_vectors:,} of texts, {found.dim} wide",
        "model": found.encoder_id,
        "rollback": f"to {storage.previous}" if storage.previous else "-",
        "migration": "one has not ended: run it again" if storage.unfinished else "-",
        "taken": f"{found.taken_from} to {found.taken_to}" if found.taken_from else "-",
        "created": found.created_at,
        "last indexed": found.indexed_at or "-",
        "size": f"{_megabytes(found.bytes)} in {found.fragments:,} fragments, version {found.version}",
        "of which": sizes,
        "lock": f"held by {lock.owner or 'another process'}" if lock.held else "free",
    }
    facts_table(facts)


for _command in (
    add, info, delete, relocate, verify, duplicates, audit, migrate, rollback, compact, export, import_,
):  # fmt: skip
    _command.add_to(app)

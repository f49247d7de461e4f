"""``revln memory``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import open_memory
from revln.cli.options import MemoryPath, ModelName, RecordLabel, SourceName, Where
from revln.cli.output import plain, say, short_path

if TYPE_CHECKING:
    from revln.store import MemoryInfo

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look into a memory, teach it by hand, and keep it in order."
)


@command(
    "add",
    'revln memory add --image ada.jpg --text "Ada on the beach"',
    "revln memory add --image rose.jpg --label rose",
)
def add(
    image: Annotated[Path | None, typer.Option("--image", metavar="FILE", help="A photo.")] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="What is to be known of it; repeatable.")
    ] = None,
    label: RecordLabel = None,
    source: SourceName = "manual",
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Teach the memory one thing: a photo with what is to be known of it, or a text alone."""
    record = open_memory(memory, model, create=True).add(
        image=image, texts=tuple(text or ()), label=label, source=source
    )
    about = record.texts[0] if record.kind == "text" else short_path(record.uri)
    return Reply(record.to_dict(), lambda: say(f"added {plain(about)} as {record.id}"))


@command("info", "revln memory info", "revln memory info --memory photos.revln --json")
def info(memory: MemoryPath = None) -> Reply:
    """Show what the memory holds, and with which model it was made."""
    opened = open_memory(memory)
    found = opened.info()
    path = str(opened.path.absolute())
    return Reply({"path": path, **found.to_dict()}, lambda: _show_info(path, found))


@command(
    "delete",
    "revln memory delete --missing-files",
    """revln memory delete --where "source = 'old'\"""",
    "revln memory delete --id 3f0c1b9a7e5d2c4b6a80",
)
def delete(
    where: Where = None,
    ids: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="This record; repeatable.")] = None,
    missing_files: Annotated[
        bool, typer.Option("--missing-files", help="The records of photos whose file is gone.")
    ] = False,
    memory: MemoryPath = None,
) -> Reply:
    """Delete records. The photos themselves are never touched."""
    deleted = open_memory(memory).delete(where=where, ids=ids or None, missing_files=missing_files)
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


def _counted(records: int) -> str:
    return f"{records:,} {'record' if records == 1 else 'records'}"


def _show_info(path: str, found: MemoryInfo) -> None:
    from revln.cli.tables import facts_table

    facts = {
        "memory": short_path(path),
        "records": f"{found.records:,}",
        "kinds": ", ".join(f"{count:,} {name}" for name, count in found.kinds.items()) or "-",
        "sources": ", ".join(f"{count:,} from {name}" for name, count in found.sources.items()) or "-",
        "vectors": f"{found.image_vectors:,} of images, {found.text_vectors:,} of texts, {found.dim} wide",
        "model": found.encoder_id,
        "taken": f"{found.taken_from} to {found.taken_to}" if found.taken_from else "-",
        "created": found.created_at,
        "last indexed": found.indexed_at or "-",
        "size": f"{found.bytes / 1e6:,.1f} MB in {found.fragments:,} fragments, version {found.version}",
    }
    facts_table(facts)


for _command in (add, info, delete, relocate):
    _command.add_to(app)

"""The top of the command line: how errors are told, and the groups that other packages add."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperGroup

from revln.cli.command import DEBUG
from revln.cli.output import note, plain, silence_stdout
from revln.errors import MissingExtraError, RevlnError

__all__ = ["RootGroup"]

_EXTENSIONS = "revln.commands"
_SUMMARIES = {"train": "Train the model's parts, apart or together (needs revln[train])."}
_INTERRUPTED = 130
_WRONG_USAGE = 2

# Typer carries Click within itself or beside itself, by version; BadParameter leads to the right one.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]
_ClickError: type[Any] = typer.BadParameter.__mro__[2]


class RootGroup(TyperGroup):
    """The root command.

    Groups of the entry point ``revln.commands`` are listed by name and loaded only when they are asked for, since
    they may need packages that are large or missing.
    """

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Runs the command line and exits: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
        options["standalone_mode"] = False
        try:
            code = super().main(*arguments, **options)
        except _ClickError as error:
            code = _told(error)
        except typer.Abort:
            note("interrupted")
            code = _INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for, and tells of its errors in one line."""
        with _errors_told(ctx):
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Own commands, then those that are added."""
        own = super().list_commands(ctx)
        return own + sorted(name for name in _extensions() if name not in own)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; for one that is added only what the list of commands needs."""
        found = super().get_command(ctx, cmd_name)
        if found is None and (extension := _extensions().get(cmd_name)):
            return _placeholder(extension)
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command to run and its arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        if name is not None and name not in self.commands:
            found = _loaded(_extensions()[name])
        return name, found, rest


def _extensions() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=_EXTENSIONS)}


def _placeholder(extension: EntryPoint) -> Any:
    app = typer.Typer(help=_SUMMARIES.get(extension.name, f"Added by {extension.value}."))
    app.callback(invoke_without_command=True)(lambda: None)
    group = typer.main.get_group(app)
    group.name = extension.name
    return group


def _loaded(extension: EntryPoint) -> Any:
    try:
        app = extension.load()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "revln":
            raise RevlnError(
                f"the command {extension.name!r} cannot be loaded: {error}: install revln again"
            ) from error
        raise MissingExtraError(error.name, extension.name) from error
    return typer.main.get_group(app) if isinstance(app, typer.Typer) else app


def _told(error: Any) -> int:
    """Tells of wrong usage, and what to type for help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        note(error.format_message())
        return _WRONG_USAGE
    note(f"error: {plain(error.format_message())}")
    if context is not None:
        note(f"try: {context.command_path} --help")
    return _WRONG_USAGE if isinstance(error, _UsageError) else 1


@contextmanager
def _errors_told(context: Any) -> Iterator[None]:
    """Turns errors into one line on stderr and an exit code, unless a traceback is asked for."""
    try:
        yield
    except BrokenPipeError:
        silence_stdout()  # the reader has seen enough: nothing failed
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        note("interrupted: what was finished is kept")
        raise typer.Exit(_INTERRUPTED) from None
    except (RevlnError, OSError) as error:
        if context.meta.get(DEBUG):
            raise
        note(f"error: {_message(error)}")
        raise typer.Exit(1) from None


def _message(error: RevlnError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        about = f"{error.filename}: " if error.filename else ""
        return plain(f"{about}{error.strerror.lower()}")
    return plain(str(error))

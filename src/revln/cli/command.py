"""What all commands share: ``--json``, ``--debug``, examples in the help, and how a reply is printed."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

from revln.cli.output import print_json

__all__ = ["DEBUG", "Command", "Reply", "command", "examples_text"]

DEBUG = "revln.debug"
"""Key of a context's ``meta`` that asks for tracebacks."""

_SHARED = {
    "context": typer.Context,
    "as_json": Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command found out.

    Attributes:
        data: the JSON document.
        show: prints the same for people.
        exit_code: 0, or 1 when the command did its work and the finding is bad.
    """

    data: Mapping[str, Any]
    show: Callable[[], None]
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A command before it is part of an application.

    Attributes:
        name: as typed.
        function: gives the reply.
        examples: command lines for the help.
    """

    name: str
    function: Callable[..., Reply]
    examples: tuple[str, ...]

    def add_to(self, app: typer.Typer) -> None:
        """Makes it a command of an application."""
        app.command(self.name, epilog=examples_text(self.examples))(self._callback())

    def _callback(self) -> Callable[..., None]:
        """The function with the shared options added, as Typer takes it."""
        function = self.function

        def callback(context: typer.Context, as_json: bool, debug: bool, **arguments: Any) -> None:
            context.meta[DEBUG] = context.meta.get(DEBUG, False) or debug
            reply = function(**arguments)
            if as_json:
                print_json(reply.data)
            else:
                reply.show()
            sys.stdout.flush()
            raise typer.Exit(reply.exit_code)

        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in inspect.signature(function).parameters.items()
        ]
        keyword = inspect.Parameter.KEYWORD_ONLY
        shared = [
            inspect.Parameter(
                name, keyword, annotation=hint, default=inspect.Parameter.empty if name == "context" else False
            )
            for name, hint in _SHARED.items()
        ]
        callback.__doc__ = function.__doc__
        callback.__name__ = function.__name__
        callback.__annotations__ = {**hints, **_SHARED, "return": None}
        callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [parameter.replace(kind=keyword) for parameter in own] + shared
        )
        return callback


def examples_text(examples: Sequence[str]) -> str:
    """The end of a help page."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {example}" for example in examples)])  # \b keeps the lines apart


def command(name: str, *examples: str) -> Callable[[Callable[..., Reply]], Command]:
    """Makes a function a command; its docstring is the help.

    Args:
        name: as typed.
        examples: command lines for the help.
    """
    return lambda function: Command(name, function, examples)

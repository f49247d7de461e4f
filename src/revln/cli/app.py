"""The application: all commands, in the order of the help."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from revln._version import __version__
from revln.cli import ask, caption, classify, data, demo, doctor, evaluate, index, mcp, memory, model, search, serve
from revln.cli.command import DEBUG, examples_text
from revln.cli.output import say
from revln.cli.root import RootGroup

__all__ = ["app", "run"]

_EXAMPLES = (
    "revln index ~/Photos",
    'revln search "a dog in the snow"',
    "revln classify holiday.jpg --labels beach,city,mountains",
)

app = typer.Typer(
    name="revln",
    cls=RootGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=examples_text(_EXAMPLES),
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Finds, describes and classifies your photos offline, and shows the records it used."""
    context.meta[DEBUG] = debug
    if version:
        say(f"revln {__version__}")
    elif context.invoked_subcommand is None:
        say(context.get_help())
    else:
        return
    raise typer.Exit


index.index.add_to(app)
search.search.add_to(app)
classify.classify.add_to(app)
caption.caption.add_to(app)
ask.ask.add_to(app)
serve.serve.add_to(app)
mcp.mcp.add_to(app)
app.add_typer(memory.app, name="memory")
app.add_typer(model.app, name="model")
app.add_typer(evaluate.app, name="eval")
app.add_typer(data.app, name="data")
demo.demo.add_to(app)
doctor.doctor.add_to(app)


def run() -> None:
    """What the installed command ``revln`` starts."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not end a run.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="revln")

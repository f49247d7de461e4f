"""What the commands print, and where: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Progress",
    "console",
    "note",
    "plain",
    "print_json",
    "progress_bar",
    "say",
    "short_path",
    "silence_stdout",
    "warn",
]

Progress = Callable[[int, int], None]

_PIPE_WIDTH = 10_000  # nothing is cut or wrapped on its way to another program


def say(line: str) -> None:
    """One line of a result on stdout."""
    sys.stdout.write(line + "\n")


def note(line: str) -> None:
    """One line for the person at the terminal, on stderr."""
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def warn(line: str) -> None:
    """A warning on stderr."""
    note(f"warning: {plain(line)}")


def print_json(data: Mapping[str, Any]) -> None:
    """The one JSON document of a run."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    say(json.dumps(data, indent=2, ensure_ascii=not unicode, allow_nan=False))


def console() -> Console:
    """A console on stdout: as wide as the terminal, or never wrapping in a pipe."""
    from rich.console import Console

    found = Console(highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def plain(text: str) -> str:
    """Text on one line, without characters that would move the cursor or colour the terminal."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def short_path(uri: str) -> str:
    """A path as people read it: below the current folder or the home folder where it is."""
    path = Path(uri)
    if not path.is_absolute():
        return plain(uri)
    for root, prefix in ((_current_folder(), ""), (Path.home(), f"~{os.sep}")):
        if root is not None and root != Path(root.anchor) and path.is_relative_to(root):
            return plain(f"{prefix}{path.relative_to(root)}")
    return plain(uri)


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted under us
        return None


@contextmanager
def progress_bar(title: str, unit: str = "photos") -> Iterator[Progress | None]:
    """A bar with count, rate and time left on a terminal's stderr; ``None``, and no bar, elsewhere.

    Args:
        title: what is going on.
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from revln.cli.progress import make_progress

    with make_progress(unit) as progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def silence_stdout() -> None:
    """Sends what is left to print nowhere, after the reader of the pipe has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())

"""``revln doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from revln.cli.command import Reply, command
from revln.cli.options import MemoryPath
from revln.cli.output import console, plain, say

if TYPE_CHECKING:
    from revln.cli.checks import Check

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@command("doctor", "revln doctor", "revln doctor --memory photos.revln --json")
def doctor(memory: MemoryPath = None) -> Reply:
    """Check this machine, the installation, the model and the memory."""
    from revln.cli.checks import all_checks

    checks = all_checks(memory)
    ok = all(check.status != "problem" for check in checks)
    return Reply({"ok": ok, "checks": [check.to_dict() for check in checks]}, lambda: _show(checks), 0 if ok else 1)


def _show(checks: Sequence[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "check", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        cells = (plain(cell) for cell in (check.name, check.found, check.advice))
        table.add_row(Text(check.status, style=_STYLES[check.status]), *(Text(cell) for cell in cells))
    console().print(table)
    found = {status: sum(check.status == status for check in checks) for status in ("problem", "warning")}
    counts = [f"{count} {status}{'' if count == 1 else 's'}" for status, count in found.items() if count]
    say(" and ".join(counts) if counts else "All is well.")

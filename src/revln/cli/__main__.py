"""``python -m revln.cli``, for where the installed command is not on the path."""

from __future__ import annotations

from revln.cli.app import run

if __name__ == "__main__":
    run()

"""The command line: parse, call, print. See ``revln --help``."""

from __future__ import annotations

from revln.cli.app import app, run

__all__ = ["app", "run"]

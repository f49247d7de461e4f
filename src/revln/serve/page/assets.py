"""The files of the page, read once: there is no route to any other."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Any, NamedTuple

from revln.serve.page.language import LANGUAGES

__all__ = ["Asset", "assets", "strings"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_HERE = "revln.serve.page"


class Asset(NamedTuple):
    """A file as it is sent.

    Attributes:
        data: its content.
        media_type: of that.
        tag: changes with it, for ``ETag``.
    """

    data: bytes
    media_type: str
    tag: str


def assets() -> dict[str, Asset]:
    """All of them by name: scripts, the style, the icon, and the words of each language."""
    found = {entry.name: entry for folder in ("static", "strings") for entry in files(_HERE).joinpath(folder).iterdir()}
    return {name: _asset(entry) for name, entry in sorted(found.items()) if PurePath(name).suffix in _TYPES}


def strings() -> dict[str, dict[str, Any]]:
    """The words of the page by language."""
    folder = files(_HERE).joinpath("strings")
    return {name: json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES}


def _asset(entry: Traversable) -> Asset:
    data = entry.read_bytes()
    return Asset(data, _TYPES[PurePath(entry.name).suffix], f'"{hashlib.sha256(data).hexdigest()[:16]}"')

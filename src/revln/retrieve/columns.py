"""The columns that a filter may name, and how to guess what a misspelt name meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["COLUMNS", "TIME_COLUMNS", "unknown_name"]

TIME_COLUMNS = frozenset({"taken_at", "indexed_at"})
COLUMNS = TIME_COLUMNS | {
    "id", "source", "kind", "uri", "label", "camera", "lat", "lon", "keywords", "width", "height", "size",
}  # fmt: skip


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Message for a name that does not exist, with the nearest that does.

    Args:
        what: what the name would be one of, as in "unknown ``what``".
        name: as written.
        known: all names that exist.
    """
    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown {what} {name!r}: {hint}known are {', '.join(names)}"

"""What a directory takes on disk."""

from __future__ import annotations

from pathlib import Path

__all__ = ["bytes_below"]


def bytes_below(directory: Path) -> int:
    """Bytes of the files in a directory and below; 0 when there is none."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a writer cleaned up meanwhile
            continue
    return total

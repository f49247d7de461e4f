"""Getting ready for what a command works on: the processor, the store, the memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from revln.cli.processor import missing_features
from revln.config import default_memory
from revln.errors import RevlnError

if TYPE_CHECKING:
    from revln.pipeline import Memory

__all__ = ["check_processor", "memory_for_classes", "memory_if_any", "open_memory"]


def check_processor() -> None:
    """Makes sure that the compiled parts can run here, before one of them is loaded and kills the process.

    Raises:
        RevlnError: the processor lacks instructions that they need.
    """
    if missing := missing_features():
        raise RevlnError(
            f"this processor lacks {', '.join(missing)}, which the store needs: use a machine from 2013 or later"
        )


def open_memory(path: Path | None, model: str | None = None, *, create: bool = False) -> Memory:
    """The memory to work on.

    Args:
        path: from ``--memory``.
        model: from ``--model``.
        create: make it when it is missing.

    Raises:
        MemoryStoreError: it is missing, or cannot be used.
    """
    check_processor()
    from revln.pipeline import Memory

    return Memory.open(path, model=model, create=create)


def memory_for_classes(path: Path | None, labels: list[str] | None, model: str | None) -> Memory | None:
    """The memory that has a say in a classification.

    One that is named always has; the default one when it exists and no classes are given to choose from.
    """
    check_processor()
    if path is None and (labels is not None or not default_memory().exists()):
        return None
    return open_memory(path, model)


def memory_if_any(path: Path | None, model: str | None, *, ignored: bool = False) -> Memory | None:
    """The memory that is named, else the default one when it exists; none when it is to be ignored."""
    check_processor()
    if ignored or (path is None and not default_memory().exists()):
        return None
    return open_memory(path, model)

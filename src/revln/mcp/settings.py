"""What whoever starts the server decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from revln.errors import InputError
from revln.models import cores

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs.

    Attributes:
        roots: folders that clients may name image files below.
        read_only: whether the tool that writes is left out.
        pictures: how many of the hits of a search are shown.
        threads: that look at images, read sentences and search.
        writes_between_upkeep: after so many the memory is tidied up.

    Raises:
        InputError: a root is no folder.
    """

    roots: tuple[Path, ...] = ()
    read_only: bool = False
    pictures: int = 4
    threads: int = field(default_factory=cores)
    writes_between_upkeep: int = 64

    def __post_init__(self) -> None:
        for root in self.roots:
            if not root.is_dir():
                raise InputError(f"{root}: no such folder: name one that there is with --allow-root")

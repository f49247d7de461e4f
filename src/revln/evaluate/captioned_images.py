"""The images that a caption file is about, found in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from revln.errors import CaptionFileError, InputError
from revln.sources import read_captions, read_split

__all__ = ["CAPTIONS_EACH", "captioned_images", "find_images"]

CAPTIONS_EACH = 5
"""Captions of an image that take part, as in the published protocols."""

_NAMED = 5


def captioned_images(images: str | Path, captions: str | Path, split: str | Path | None) -> dict[Path, tuple[str, ...]]:
    """Files of images with their captions, at most five each.

    Args:
        images: folder of the images.
        captions: caption file, see ``read_captions``.
        split: file with the names of the images that take part; all in the caption file if not given.

    Raises:
        CaptionFileError: the caption file or split file cannot be used, or they do not go together.
        InputError: an image is missing.
    """
    described = read_captions(captions)
    names = list(described) if split is None else _named_in(split, described)
    files = find_images(Path(images), names)
    return {file: described[name][:CAPTIONS_EACH] for file, name in zip(files, names, strict=True)}


def _named_in(split: str | Path, described: Mapping[str, object]) -> list[str]:
    names = read_split(split)
    if strange := [name for name in names if name not in described]:
        raise CaptionFileError(
            f"{split}: {_some(strange)} not in the caption file: give the captions that it belongs to"
        )
    return names


def find_images(folder: Path, names: Sequence[str]) -> list[Path]:
    """Files of images: at their path below the folder, else the only file of that name anywhere below it.

    Raises:
        InputError: one is missing.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: give the folder of the images")
    files = {name: folder / name for name in names}
    elsewhere = [name for name, path in files.items() if not path.is_file()]
    if elsewhere:
        below = _files_below(folder)
        found = {name: below.get(PurePosixPath(name.replace("\\", "/")).name) for name in elsewhere}
        if missing := [name for name, path in found.items() if path is None]:
            raise InputError(f"{folder}: {_some(missing)} missing: give the folder that the file is about")
        files |= {name: path for name, path in found.items() if path is not None}
    return list(files.values())


def _files_below(folder: Path) -> dict[str, Path | None]:
    """Every file below a folder by name; ``None`` for names that occur twice."""
    found: dict[str, Path | None] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            found[name] = None if name in found else Path(root, name)
    return found


def _some(names: Sequence[str]) -> str:
    """The first few names, the number of the others, and the verb."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {'is' if len(names) == 1 else 'are'}"

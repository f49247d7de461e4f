"""Cross-modal retrieval as published for Flickr8k (Hodosh et al., JAIR 2013): recall at 1, 5 and 10."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from revln.errors import CaptionFileError, InputError
from revln.metrics import retrieval_recall
from revln.models import Model
from revln.sources import read_captions, read_split
from revln.types import Embedding

__all__ = ["CAPTIONS_EACH", "RetrievalScores", "evaluate_retrieval"]

CAPTIONS_EACH = 5
"""Captions of an image that take part, as in the published protocol."""

_CHUNK = 256
_NAMED = 5


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Recall in both directions.

    Attributes:
        image_to_text: ``R@1``, ``R@5`` and ``R@10`` of images among the captions, in percent.
        text_to_image: of captions among the images.
        images: how many took part.
        captions: how many took part.
    """

    image_to_text: Mapping[str, float]
    text_to_image: Mapping[str, float]
    images: int
    captions: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "image_to_text": dict(self.image_to_text),
            "text_to_image": dict(self.text_to_image),
            "images": self.images,
            "captions": self.captions,
        }


def evaluate_retrieval(
    images: str | Path,
    captions: str | Path,
    *,
    model: Model,
    split: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RetrievalScores:
    """Measures how well images find their captions and captions their images.

    Args:
        images: folder of the images.
        captions: caption file, see ``read_captions``; the first five captions of each image take part.
        model: encodes both.
        split: file with the names of the images that take part; all in the caption file if not given.
        progress: called with the images done and the images in all.

    Raises:
        CaptionFileError: the caption file or split file cannot be used, or they do not go together.
        InputError: an image is missing.
        ImageError: an image cannot be read.
    """
    described = read_captions(captions)
    names = list(described) if split is None else _named_in(split, described)
    files = _find(Path(images), names)
    texts = [text for name in names for text in described[name][:CAPTIONS_EACH]]
    owners = np.repeat(np.arange(len(names)), [len(described[name][:CAPTIONS_EACH]) for name in names])
    recall = retrieval_recall(_encode(model, files, progress), model.encode_texts(texts), owners)
    return RetrievalScores(recall["image_to_text"], recall["text_to_image"], len(names), len(texts))


def _named_in(split: str | Path, described: Mapping[str, object]) -> list[str]:
    names = read_split(split)
    if strange := [name for name in names if name not in described]:
        raise CaptionFileError(
            f"{split}: {_some(strange)} not in the caption file: give the captions that it belongs to"
        )
    return names


def _find(folder: Path, names: Sequence[str]) -> list[Path]:
    """Files of the images: at their path below the folder, else the only file of that name anywhere below it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: give the folder of the images")
    files = {name: folder / name for name in names}
    elsewhere = [name for name, path in files.items() if not path.is_file()]
    if elsewhere:
        below = _files_below(folder)
        found = {name: below.get(PurePosixPath(name.replace("\\", "/")).name) for name in elsewhere}
        if missing := [name for name, path in found.items() if path is None]:
            raise InputError(f"{folder}: {_some(missing)} missing: give the folder that the caption file is about")
        files |= {name: path for name, path in found.items() if path is not None}
    return list(files.values())


def _files_below(folder: Path) -> dict[str, Path | None]:
    """Every file below a folder by name; ``None`` for names that occur twice."""
    found: dict[str, Path | None] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            found[name] = None if name in found else Path(root, name)
    return found


def _encode(model: Model, files: Sequence[Path], progress: Callable[[int, int], None] | None) -> Embedding:
    rows = np.empty((len(files), model.dim), np.float32)
    for start in range(0, len(files), _CHUNK):
        chunk = files[start : start + _CHUNK]
        rows[start : start + len(chunk)] = model.encode_images(chunk)
        if progress is not None:
            progress(start + len(chunk), len(files))
    return rows


def _some(names: Sequence[str]) -> str:
    """The first few names, the number of the others, and the verb."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {'is' if len(names) == 1 else 'are'}"

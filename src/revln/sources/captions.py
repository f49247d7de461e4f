"""Caption files: Flickr8k's CSV, COCO captions JSON and Karpathy JSON, told apart by what they hold.

The CSV has a header with the columns ``image`` and ``caption``, one caption a row. COCO: Lin et al., 2014
(arXiv 1405.0312); Karpathy's splits: Karpathy and Fei-Fei, 2015 (arXiv 1412.2306).
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any

from revln.errors import CaptionFileError
from revln.sources._text import read_text

__all__ = ["is_caption_table", "read_captions", "read_split"]

_WAY_OUT = "give a CSV with the columns image,caption, COCO captions JSON or Karpathy JSON"


def read_captions(path: Path | str) -> dict[str, tuple[str, ...]]:
    """Captions by image name, in the order of the file; blank ones are dropped.

    Raises:
        CaptionFileError: the file is missing, empty, malformed, in a wrong encoding or holds no captions.
    """
    path = Path(path)
    text = read_text(path)
    pairs = _json_pairs(path, text) if text.lstrip()[0] in "{[" else _csv_pairs(path, text)
    captions: dict[str, list[str]] = {}
    for image, caption in pairs:
        if caption := caption.strip():
            captions.setdefault(image.strip(), []).append(caption)
    if not captions:
        raise CaptionFileError(f"{path}: holds no captions: {_WAY_OUT}")
    return {image: tuple(texts) for image, texts in captions.items()}


def is_caption_table(path: Path) -> bool:
    """Whether a file begins as a CSV of captions does, whatever its name: Flickr8k's is ``captions.txt``.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(64).removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(b"image,caption")


def read_split(path: Path | str) -> list[str]:
    """Image names of a split file, which has one a line; blank lines and repetitions are dropped.

    Raises:
        CaptionFileError: the file is missing, empty or in a wrong encoding.
    """
    lines = (line.strip() for line in read_text(Path(path)).splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def _csv_pairs(path: Path, text: str) -> Iterator[tuple[str, str]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip().casefold() for column in next(rows)]
        if missing := [column for column in ("image", "caption") if column not in header]:
            raise CaptionFileError(f"{path}: line 1 names no column {' and '.join(missing)}: {_WAY_OUT}")
        image, caption = header.index("image"), header.index("caption")
        for row in rows:
            if not any(row):
                continue
            if len(row) <= max(image, caption) or not row[image].strip():
                raise CaptionFileError(f"{path}: line {rows.line_num} lacks its image or its caption: {_WAY_OUT}")
            # Commas of a caption that was not quoted: restored where nothing else can have been meant.
            last = len(row) if caption == len(header) - 1 else caption + 1
            yield row[image], ",".join(row[caption:last])
    except csv.Error as error:
        raise CaptionFileError(f"{path}: line {rows.line_num}: {error}: check its quotes") from error


def _json_pairs(path: Path, text: str) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CaptionFileError(f"{path}: is no valid JSON: {error}: {_WAY_OUT}") from error
    try:
        images = _field(content, "the file", "images", list)
        yield from _coco_pairs(content, images) if "annotations" in content else _karpathy_pairs(images)
    except _FieldError as error:
        raise CaptionFileError(f"{path}: {error}: {_WAY_OUT}") from error


def _coco_pairs(content: Any, images: list[Any]) -> Iterator[tuple[str, str]]:
    names = {}
    for number, image in enumerate(images):
        where = f"images[{number}]"
        names[_field(image, where, "id", int | str)] = _field(image, where, "file_name", str)
    for number, annotation in enumerate(_field(content, "the file", "annotations", list)):
        where = f"annotations[{number}]"
        image = _field(annotation, where, "image_id", int | str)
        if image not in names:
            raise _FieldError(f"{where} is about image {image}, which is not among the images")
        yield names[image], _field(annotation, where, "caption", str)


def _karpathy_pairs(images: list[Any]) -> Iterator[tuple[str, str]]:
    for number, image in enumerate(images):
        where = f"images[{number}]"
        name = _field(image, where, "filename", str)
        for index, sentence in enumerate(_field(image, where, "sentences", list)):
            yield name, _field(sentence, f"{where}.sentences[{index}]", "raw", str)


class _FieldError(ValueError):
    """An entry lacks a field or has one of a wrong type."""


def _field(entry: Any, where: str, key: str, kind: type | UnionType) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind):
        raise _FieldError(f"{where} has no {key!r} of the right type")
    return value

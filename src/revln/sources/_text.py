"""Reading the text files that people hand over, in the encodings that they really have."""

from __future__ import annotations

import codecs
from pathlib import Path

from revln.errors import CaptionFileError
from revln.images import os_reason

__all__ = ["read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """Text of a UTF-8 file, or a UTF-16 file that says so by its byte order mark.

    Raises:
        CaptionFileError: it is missing, unreadable, empty or in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaptionFileError(f"{path}: {os_reason(error)}: check the path") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CaptionFileError(
            f"{path}: line {line} (byte {error.start}) is not {encoding.removesuffix('-sig').upper()}: save it as UTF-8"
        ) from error
    if "\0" in text:
        raise CaptionFileError(f"{path}: holds NUL bytes, as UTF-16 without a mark does: save it as UTF-8")
    if not text.strip():
        raise CaptionFileError(f"{path}: is empty")
    return text

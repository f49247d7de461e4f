"""What a photo says about itself: EXIF (CIPA DC-008) and IPTC-IIM 4.2. Garbage is left out, never raised."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.IptcImagePlugin import getiptcinfo

from revln.images.formats import quiet
from revln.types import PhotoMeta

__all__ = ["read_exif", "read_meta"]

_GARBAGE = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
            SyntaxError, TypeError, ValueError, struct.error)  # fmt: skip

_BASE_TAGS = (
    ExifTags.Base.Orientation,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.DateTime,
    ExifTags.Base.ImageDescription,
)
_EXIF_TAGS = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)
_GPS_TAGS = (
    ExifTags.GPS.GPSLatitude,
    ExifTags.GPS.GPSLatitudeRef,
    ExifTags.GPS.GPSLongitude,
    ExifTags.GPS.GPSLongitudeRef,
)

# IPTC data sets by (record, number).
_KEYWORDS = (2, 25)
_CAPTION = (2, 120)

_DATE = re.compile(r"\s*(\d{4})\D(\d\d)\D(\d\d)[ T](\d\d):(\d\d):(\d\d)")
_COMPANY = re.compile(
    r"[\s,]+(corporation|corp|company|co|inc|ltd|gmbh|ag|imaging|techwin|optical|electronics|technologies)\b\.?", re.I
)

# Cameras and programs fill the description with their own name or that of the file.
_BOILERPLATE = re.compile(
    r"""
      (.*\s)? digital \s? (still)? \s? camera
    | sony \s dsc
    | samsung (\s camera \s pictures)?
    | dcim .*
    | exif [_\s] jpe?g (_picture)?
    | (img | dsc[fn]? | dji | gopr | mvi | pano | pict | screenshot) [_\-\s]? \d+ .*
    | untitled | default | image | picture | photo | asset | binary \s comment | created \s with \s .* | charset=.*
    """,
    re.I | re.X,
)


def read_exif(image: ImageFile) -> Mapping[int, Any]:
    """The EXIF tags that revln knows, by number; the place is a mapping of its own under ``IFD.GPSInfo``.

    For PNG, whose tags may follow the pixels, call it after ``load``.
    """
    with quiet():
        exif = _directory(image.getexif)
        if not isinstance(exif, Image.Exif):
            return {}
        gps = _directory(lambda: exif.get_ifd(ExifTags.IFD.GPSInfo))
        return {
            **_pick(exif, _BASE_TAGS),
            **_pick(_directory(lambda: exif.get_ifd(ExifTags.IFD.Exif)), _EXIF_TAGS),
            ExifTags.IFD.GPSInfo: _pick(gps, _GPS_TAGS),
        }


def read_meta(image: ImageFile, size: tuple[int, int]) -> PhotoMeta:
    """Reads date, camera, place, keywords and caption of a loaded image.

    Args:
        image: as Pillow opened it.
        size: (width, height) of the upright picture.
    """
    exif = read_exif(image)
    iptc = _read_iptc(image)
    lat, lon = _position(exif.get(ExifTags.IFD.GPSInfo, {}))
    return PhotoMeta(
        taken_at=_taken_at(exif),
        camera=_camera(_text(exif.get(ExifTags.Base.Make)), _text(exif.get(ExifTags.Base.Model))),
        lat=lat,
        lon=lon,
        keywords=tuple(dict.fromkeys(filter(None, map(_text, iptc.get(_KEYWORDS, []))))),
        caption=_caption(*iptc.get(_CAPTION, []), exif.get(ExifTags.Base.ImageDescription)),
        width=size[0],
        height=size[1],
    )


def _directory(read: Callable[[], Mapping[int, Any]]) -> Mapping[int, Any]:
    try:
        return read()
    except _GARBAGE:
        return {}


def _pick(directory: Mapping[int, Any], tags: tuple[int, ...]) -> dict[int, Any]:
    """The tags that parse; Pillow parses each when it is asked for, so a bad one does not spoil the others."""
    picked = {}
    for tag in tags:
        try:
            value = directory.get(tag)
        except _GARBAGE:
            continue
        if value is not None:
            picked[tag] = value
    return picked


def _read_iptc(image: ImageFile) -> dict[tuple[int, int], list[Any]]:
    """The data sets, each a list since any may repeat."""
    try:
        with quiet():
            found = getiptcinfo(image) or {}
    except _GARBAGE:
        return {}
    return {key: value if isinstance(value, list) else [value] for key, value in found.items()}


def _text(value: object) -> str:
    """A text in whatever encoding; empty for anything else.

    UTF-8 where it parses as such, else Latin-1. The declaration (IPTC 1:90) is not asked: many writers of UTF-8 leave
    it out, and Latin-1 prose is practically never valid UTF-8. EXIF knows only ASCII, and Pillow gives it as Latin-1.
    """
    if isinstance(value, str):
        try:
            value = value.encode("latin-1")
        except UnicodeEncodeError:
            return _clean(str(value))
    if not isinstance(value, bytes):
        return ""
    try:
        return _clean(value.decode("utf-8"))
    except UnicodeDecodeError:
        return _clean(value.decode("latin-1"))


def _clean(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _taken_at(exif: Mapping[int, Any]) -> datetime | None:
    tags = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.DateTime)
    dates = (_date(_text(exif.get(tag))) for tag in tags)
    return next((date for date in dates if date), None)


def _date(text: str) -> datetime | None:
    match = _DATE.match(text)
    try:
        return datetime(*map(int, match.groups())) if match else None  # type: ignore[arg-type]
    except ValueError:  # 0000:00:00, the camera's clock was never set
        return None


def _camera(make: str, model: str) -> str | None:
    """Joins "Canon" and "Canon EOS R5", "NIKON CORPORATION" and "NIKON D90" without saying the maker twice."""
    first = model.partition(" ")[0].casefold()
    if first in make.casefold().replace(",", " ").split():
        return model or None
    return f"{_COMPANY.sub('', make)} {model}".strip() or None


def _position(gps: Mapping[int, Any]) -> tuple[float, float] | tuple[None, None]:
    lat = _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "NS", 90.0)
    lon = _degrees(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "EW", 180.0)
    # Receivers without a fix write zeros; the true 0, 0 is open sea.
    if lat is None or lon is None or lat == lon == 0.0:
        return None, None
    return lat, lon


def _degrees(gps: Mapping[int, Any], value_tag: int, ref_tag: int, signs: str, limit: float) -> float | None:
    """Degrees, minutes and seconds as one signed number; without its hemisphere a value says nothing."""
    ref = _text(gps.get(ref_tag)).upper()[:1]
    if not ref or ref not in signs:
        return None
    try:
        parts = [float(part) for part in gps[value_tag]]
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
    degrees = sum((part / 60.0**power for power, part in enumerate(parts[:3])), start=0.0)
    if not parts or not math.isfinite(degrees) or min(parts) < 0 or degrees > limit:
        return None
    return -degrees if ref == signs[1] else degrees


def _caption(*candidates: object) -> str | None:
    """The first text that a person wrote."""
    for text in map(_text, candidates):
        if any(char.isalpha() for char in text) and not _BOILERPLATE.fullmatch(text):
            return text
    return None

"""XMP sidecars: what photo programs write beside a photo (ISO 16684-1, the Exif and Lightroom schemas)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

from revln.errors import ImageError, InputError
from revln.images.files import read_file
from revln.types import PhotoMeta

__all__ = ["SidecarFacts", "find_sidecar", "read_sidecar"]

_BYTE_LIMIT = 2**20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_HIERARCHY = "{http://ns.adobe.com/lightroom/1.0/}hierarchicalSubject"
_DATES = (
    _EXIF + "DateTimeOriginal",
    "{http://ns.adobe.com/photoshop/1.0/}DateCreated",
    "{http://ns.adobe.com/xap/1.0/}CreateDate",
)
# "48,51,30N" or "48,51.5034N": degrees, minutes and maybe seconds.
_POSITION = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?([NSEW])")


@dataclass(frozen=True, slots=True)
class SidecarFacts:
    """What a sidecar says.

    Attributes:
        texts: title and description.
        keywords: subjects, and each level of the hierarchical ones.
        taken_at: without a zone, as the camera's clock showed it.
        position: degrees (lat, lon), north and east positive.
    """

    texts: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    taken_at: datetime | None = None
    position: tuple[float, float] | None = None

    def completed(self, meta: PhotoMeta) -> PhotoMeta:
        """What the photo says of itself, with the sidecar's keywords, and its date and place where it has none."""
        lat, lon = (meta.lat, meta.lon) if meta.lat is not None else self.position or (None, None)
        return dataclasses.replace(
            meta,
            keywords=tuple(dict.fromkeys((*meta.keywords, *self.keywords))),
            taken_at=meta.taken_at or self.taken_at,
            lat=lat,
            lon=lon,
        )


def find_sidecar(name: str, beside: Mapping[str, Path]) -> Path | None:
    """The sidecar of a photo: ``photo.jpg.xmp``, else ``photo.xmp``.

    Args:
        name: of the photo.
        beside: the ``.xmp`` files of its folder by name in lower case.
    """
    lower = name.lower()
    return beside.get(f"{lower}.xmp") or beside.get(f"{lower.rpartition('.')[0]}.xmp")


def read_sidecar(path: Path) -> SidecarFacts:
    """Reads an XMP file.

    Raises:
        InputError: it cannot be read, is over 1 MB, is no XMP, or declares a document type, as files that expand into
            gigabytes do.
    """
    try:
        data = read_file(path, limit=_BYTE_LIMIT)
        parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314 - it refuses whatever could declare an entity
        parser.feed(data)
        root = parser.close()
    except ImageError as error:
        raise InputError(error.reason) from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"no XMP: {error}") from error
    return SidecarFacts(
        texts=tuple(dict.fromkeys((*_texts(root, _DC + "title"), *_texts(root, _DC + "description")))),
        keywords=tuple(dict.fromkeys(_keywords(root))),
        taken_at=next(filter(None, map(_date, _values(root, _DATES))), None),
        position=_position(root),
    )


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree of a document without a document type, hence without entities of its own."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise InputError("declares a document type")


def _texts(root: ElementTree.Element, tag: str) -> Iterator[str]:
    """Texts of a property that is a plain value or a list of alternatives, bag or sequence."""
    for holder in root.iter(_RDF + "Description"):
        if tag in holder.attrib:
            yield from _clean([holder.attrib[tag]])
        for found in holder.findall(tag):
            items = list(found.iter(_RDF + "li"))
            yield from _clean(item.text or "" for item in (items or [found]))


def _values(root: ElementTree.Element, tags: Iterable[str]) -> Iterator[str]:
    return (text for tag in tags for text in _texts(root, tag))


def _keywords(root: ElementTree.Element) -> Iterator[str]:
    yield from _texts(root, _DC + "subject")
    for path in _texts(root, _HIERARCHY):
        yield from _clean(path.split("|"))


def _clean(texts: Iterable[str]) -> Iterator[str]:
    return filter(None, (" ".join(text.split()) for text in texts))


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:  # a year or a month alone
        return None


def _position(root: ElementTree.Element) -> tuple[float, float] | None:
    lat = _degrees(root, _EXIF + "GPSLatitude", "NS", 90.0)
    lon = _degrees(root, _EXIF + "GPSLongitude", "EW", 180.0)
    return None if lat is None or lon is None or lat == lon == 0.0 else (lat, lon)


def _degrees(root: ElementTree.Element, tag: str, signs: str, limit: float) -> float | None:
    match = _POSITION.fullmatch(next(_texts(root, tag), ""))
    if match is None or match[4] not in signs:
        return None
    degrees = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
    if degrees > limit:
        return None
    return -degrees if match[4] == signs[1] else degrees

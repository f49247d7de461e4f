from __future__ import annotations

import os
from datetime import datetime

import pytest

from revln.errors import InputError
from revln.sources import FolderSource, read_sidecar
from revln.types import PhotoMeta

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    exif:DateTimeOriginal="2021-05-04T10:20:30.50+02:00"
    exif:GPSLatitude="48,51,30N" exif:GPSLongitude="2,17.5W">
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">The  beach</rdf:li></rdf:Alt></dc:title>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">Ada in the sand</rdf:li></rdf:Alt></dc:description>
   <dc:subject><rdf:Bag><rdf:li>Ada</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|France|Sète</rdf:li><rdf:li>Ada</rdf:li></rdf:Bag></lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<x>&b;</x>"""


def test_what_a_sidecar_says(write) -> None:
    facts = read_sidecar(write("a.xmp", XMP))
    assert facts.texts == ("The beach", "Ada in the sand")
    assert facts.keywords == ("Ada", "sea", "Places", "France", "Sète")
    assert facts.taken_at == datetime(2021, 5, 4, 10, 20, 30, 500_000)
    assert facts.position == pytest.approx((48.858333, -2.291667), abs=1e-5)


def test_in_utf_16_and_with_plain_properties(write) -> None:
    text = """<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://purl.org/dc/elements/1.1/">
      <r:Description d:title="Käfer" xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:DateCreated="2020">
      <d:description>blau</d:description></r:Description></r:RDF>"""
    facts = read_sidecar(write("a.xmp", text.encode("utf-16")))
    assert (facts.texts, facts.taken_at, facts.position) == (("Käfer", "blau"), None, None)


def test_a_photos_own_date_and_place_come_first(write) -> None:
    facts = read_sidecar(write("a.xmp", XMP))
    own = PhotoMeta(taken_at=datetime(2000, 1, 1), lat=1.0, lon=2.0, keywords=("own", "sea"))
    merged = facts.completed(own)
    assert (merged.taken_at, merged.lat, merged.lon) == (datetime(2000, 1, 1), 1.0, 2.0)
    assert merged.keywords == ("own", "sea", "Ada", "Places", "France", "Sète")
    bare = facts.completed(PhotoMeta(width=5))
    assert (bare.taken_at, bare.width, bare.lat) == (facts.taken_at, 5, pytest.approx(48.858333))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "declares a document type"),
        (BOMB.encode("utf-16"), "declares a document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "declares a document type"),
        ("<x>", "no XMP"),
        ("hello", "no XMP"),
        ("<x>&a;</x>", "no XMP"),
        ('<?xml version="1.0" encoding="nonsense"?><x/>', "no XMP"),
        (b"", "empty file"),
        (b"<x>" + b" " * 2**20 + b"</x>", "over the limit"),
        (None, "no such file"),
    ],
)
def test_files_that_are_refused(write, tmp_path, content: str | bytes | None, message: str) -> None:
    path = tmp_path / "a.xmp" if content is None else write("a.xmp", content)
    with pytest.raises(InputError, match=message):
        read_sidecar(path)


@pytest.mark.parametrize("position", ["48,51,30", "91,0,0N", "N", "48,51,30E", "1,2,3,4N", "0,0.0N"])
def test_places_that_are_none(write, position: str) -> None:
    text = XMP.replace("48,51,30N", position).replace("2,17.5W", "0,0.0W" if position == "0,0.0N" else "2,17.5W")
    assert read_sidecar(write("a.xmp", text)).position is None


def test_a_photo_goes_with_its_sidecar(scan, write, tmp_path) -> None:
    for name in ("a.jpg", "b.jpg", "b.png", "C.JPG", "d.jpg"):
        write(f"p/{name}", b"x")
    for name in ("a.jpg.xmp", "a.xmp", "b.xmp", "c.jpg.XMP", "x.xmp"):
        write(f"p/{name}", XMP)
    found = scan(FolderSource([tmp_path / "p"]))
    beside = {each.path.name: each.sidecar and each.sidecar.path.name for each in found.candidates}
    assert beside == {"a.jpg": "a.jpg.xmp", "b.jpg": "b.xmp", "b.png": "b.xmp", "C.JPG": "c.jpg.XMP", "d.jpg": None}
    assert found.ignored == 5
    (alone,) = scan(FolderSource([tmp_path / "p" / "a.jpg"])).candidates
    assert alone == next(each for each in found.candidates if each.path.name == "a.jpg")


def test_a_changed_sidecar_changes_the_fingerprint(scan, write, tmp_path) -> None:
    write("p/a.jpg", b"x")
    prints = [scan(FolderSource([tmp_path / "p"])).candidates[0].fingerprint]
    sidecar = write("p/a.xmp", XMP)
    prints.append(scan(FolderSource([tmp_path / "p"])).candidates[0].fingerprint)
    os.utime(sidecar, ns=(1, 1))
    prints.append(scan(FolderSource([tmp_path / "p"])).candidates[0].fingerprint)
    sidecar.unlink()
    prints.append(scan(FolderSource([tmp_path / "p"])).candidates[0].fingerprint)
    assert len(set(prints)) == 3
    assert prints[0] == prints[3]

from __future__ import annotations

import struct
from datetime import datetime

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from revln.images import decode_image, read_meta
from revln.types import PhotoMeta

MAKE, MODEL, DESCRIPTION, DATE = 271, 272, 270, 306
EXIF_IFD, GPS_IFD, ORIGINAL = 0x8769, 0x8825, 0x9003


@pytest.fixture
def meta_of(picture, encode):
    def meta_of(
        tags: dict | None = None, original: object = None, gps: dict | None = None, kind: str = "JPEG", **options
    ) -> PhotoMeta:
        exif = Image.Exif()
        exif.update(tags or {})
        if original is not None:
            exif.get_ifd(EXIF_IFD)[ORIGINAL] = original
        exif.get_ifd(GPS_IFD).update(gps or {})
        decoded = decode_image(encode(picture, kind, exif=exif.tobytes(), **options))
        return read_meta(decoded.header, decoded.size)

    return meta_of


def iptc(*fields: tuple[int, int, bytes]) -> bytes:
    return b"".join(b"\x1c" + struct.pack(">BBH", record, number, len(data)) + data for record, number, data in fields)


def with_iptc(jpeg: bytes, block: bytes) -> bytes:
    """Puts IPTC data into a JPEG the way Photoshop does."""
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)
    body = b"Photoshop 3.0\0" + resource
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.fixture
def iptc_of(picture, encode):
    def iptc_of(block: bytes) -> PhotoMeta:
        decoded = decode_image(with_iptc(encode(picture, "JPEG"), block))
        return read_meta(decoded.header, decoded.size)

    return iptc_of


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_fields(meta_of, kind):
    meta = meta_of(
        {MAKE: "Canon", MODEL: "Canon EOS R5", DESCRIPTION: "Ada on the beach"},
        original="2021:07:04 12:30:05",
        gps={1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0)},
        kind=kind,
    )
    assert meta.taken_at == datetime(2021, 7, 4, 12, 30, 5)
    assert meta.camera == "Canon EOS R5"
    assert meta.caption == "Ada on the beach"
    assert meta.lat == pytest.approx(-33.86)
    assert meta.lon == pytest.approx(151.2)
    assert (meta.width, meta.height) == (60, 40)


def test_nothing(picture, encode):
    decoded = decode_image(encode(picture, "JPEG"))
    assert read_meta(decoded.header, decoded.size) == PhotoMeta(width=60, height=40)


def test_size_is_that_of_the_upright_whole(picture, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(encode(picture.resize((600, 400)), "JPEG", exif=exif), min_side=100)
    meta = read_meta(decoded.header, decoded.size)
    assert (meta.width, meta.height) == (400, 600)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("EASTMAN KODAK COMPANY", "KODAK Z740", "KODAK Z740"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("OLYMPUS IMAGING CORP.", "E-M1", "OLYMPUS E-M1"),
        ("SONY\0\0", "  DSC-W80 ", "SONY DSC-W80"),
        ("", "Pixel 7", "Pixel 7"),
        ("Leica", "", "Leica"),
        ("", "", None),
    ],
)
def test_camera(meta_of, make, model, camera):
    assert meta_of({MAKE: make, MODEL: model}).camera == camera


@pytest.mark.parametrize(
    "date", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2021:13:01 00:00:00", "soon", "", "2021:02"]
)
def test_wrong_dates(meta_of, date):
    assert meta_of(original=date).taken_at is None


def test_wrong_date_falls_back_to_the_next(meta_of):
    meta = meta_of({DATE: "2019:05:06 07:08:09"}, original="0000:00:00 00:00:00")
    assert meta.taken_at == datetime(2019, 5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (IFDRational(1, 0), 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)},  # zero denominator
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)},  # beyond the pole
        {2: (10.0, 0.0, 0.0), 4: (4.0, 0.0, 0.0)},  # no hemisphere
        {1: "?", 2: (10.0, 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)},
        {1: "N", 2: (10.0, 0.0, 0.0)},  # half a place
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},  # no fix
    ],
)
def test_bad_places(meta_of, gps):
    meta = meta_of(gps=gps, original="2021:07:04 12:30:05")
    assert (meta.lat, meta.lon) == (None, None)
    assert meta.taken_at is not None


BOILERPLATE = (
    "OLYMPUS DIGITAL CAMERA         ",
    "SONY DSC",
    "DCIM\\100MEDIA\\DJI_0001.JPG",
    "KODAK Digital Still Camera",
    "IMG_1234.JPG",
    "Exif_JPEG_PICTURE",
    "SAMSUNG CAMERA PICTURES",
    "untitled",
    "12345",
    "  ",
)


@pytest.mark.parametrize("text", BOILERPLATE)
def test_boilerplate_is_no_caption(meta_of, text):
    assert meta_of({DESCRIPTION: text}).caption is None


@pytest.mark.parametrize("text", ["My digital camera on a table", "Image of a dog", "Sony DSC in my hand"])
def test_sentences_near_boilerplate_stay(meta_of, text):
    assert meta_of({DESCRIPTION: text}).caption == text


def test_description_in_utf8(meta_of):
    assert meta_of({DESCRIPTION: "Café à Zürich".encode()}).caption == "Café à Zürich"


UTF8 = (1, 90, b"\x1b%G")


def test_iptc_declared_utf8(iptc_of):
    meta = iptc_of(iptc(UTF8, (2, 25, b"plage"), (2, 25, "été".encode()), (2, 120, "沙滩".encode())))
    assert meta.keywords == ("plage", "été")
    assert meta.caption == "沙滩"


def test_iptc_latin1(iptc_of):
    meta = iptc_of(iptc((2, 25, "été".encode("latin-1")), (2, 120, "À la plage".encode("latin-1"))))
    assert meta.keywords == ("été",)
    assert meta.caption == "À la plage"


def test_iptc_utf8_that_nobody_declared(iptc_of):
    assert iptc_of(iptc((2, 25, "été".encode()))).keywords == ("été",)


def test_iptc_wrongly_declared(iptc_of):
    assert iptc_of(iptc(UTF8, (2, 25, "été".encode("latin-1")))).keywords == ("été",)


def test_keywords_are_cleaned(iptc_of):
    assert iptc_of(iptc((2, 25, b"dog "), (2, 25, b""), (2, 25, b"dog\0"), (2, 25, b"cat"))).keywords == ("dog", "cat")


def test_iptc_garbage(iptc_of):
    for block in (
        b"\x1c\x02\x19\xff\xff",
        b"garbage that is no IPTC",
        iptc((2, 25, b"dog"))[:-1],
        b"\x1c\xff\xff\0\1a",
    ):
        assert isinstance(iptc_of(block), PhotoMeta)


def test_one_bad_directory_does_not_spoil_the_rest(picture, encode):
    """The Exif directory lies outside the data; the camera still reads."""
    exif = Image.Exif()
    exif[MAKE] = "Leica"
    exif.get_ifd(EXIF_IFD)[ORIGINAL] = "2021:07:04 12:30:05"
    data = bytearray(exif.tobytes())
    at = data.index(struct.pack(">HH" if data[6:8] == b"MM" else "<HH", EXIF_IFD, 4))
    data[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
    decoded = decode_image(encode(picture, "JPEG", exif=bytes(data)))
    meta = read_meta(decoded.header, decoded.size)
    assert (meta.camera, meta.taken_at) == ("Leica", None)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_exif_garbage(picture, encode, exif):
    decoded = decode_image(encode(picture, "JPEG", exif=exif))
    assert read_meta(decoded.header, decoded.size) == PhotoMeta(width=60, height=40)

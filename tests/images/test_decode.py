from __future__ import annotations

import os
import random
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from revln.errors import ImageError
from revln.images import decode_image, open_image, to_rgb

RED, BLUE, WHITE = (250, 0, 0), (0, 0, 250), (255, 255, 255)


def near(image: Image.Image, point: tuple[int, int], color: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(np.subtract(image.getpixel(point), color)).max() <= tolerance)


def reason_of(path: Path, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(path, **options)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = (
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in (header, pixels)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_formats(picture, encode, tmp_path, kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    (tmp_path / "x").write_bytes(encode(picture, kind))
    image = open_image(tmp_path / "x")
    assert (image.mode, image.size) == ("RGB", (60, 40))
    assert near(image, (5, 20), RED)
    assert near(image, (55, 20), BLUE)


def heic(picture: Image.Image, **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    from io import BytesIO

    stream = BytesIO()
    pillow_heif.from_pillow(picture).save(stream, **options)
    return stream.getvalue()


def test_heic(picture):
    image = decode_image(heic(picture)).image
    assert near(image, (5, 20), RED)
    assert near(image, (55, 20), BLUE)


def test_gif_gives_its_first_frame(picture, encode):
    data = encode(picture, "GIF", save_all=True, append_images=[Image.new("RGB", (60, 40), "white")])
    assert near(decode_image(data).image, (5, 20), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
)
def test_orientation_is_applied_once(picture, encode, kind, orientation, red_at):
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encode(picture, kind, exif=exif))
    points = {"left": (4, 20), "right": (55, 20), "top": (20, 4), "bottom": (20, 55)}
    assert near(decoded.image, points[red_at], RED)
    assert decoded.size == decoded.image.size == ((60, 40) if red_at in ("left", "right") else (40, 60))


def test_alpha_goes_on_white(encode):
    for mode, color in (("RGBA", (250, 0, 0, 0)), ("LA", (0, 0))):
        image = decode_image(encode(Image.new(mode, (8, 8), color), "PNG")).image
        assert image.getpixel((3, 3)) == WHITE
    half = decode_image(encode(Image.new("RGBA", (8, 8), (255, 0, 0, 128)), "PNG")).image
    assert near(half, (3, 3), (255, 127, 127), 1)


def test_transparent_palette_goes_on_white(picture, encode):
    palette = picture.quantize(2)
    data = encode(palette, "PNG", transparency=palette.getpixel((5, 5)))
    image = decode_image(data).image
    assert image.getpixel((5, 5)) == WHITE
    assert near(image, (55, 5), BLUE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBa", "La", "PA", "RGBX"])
def test_modes(mode):
    source = Image.new("RGB", (4, 4), "white")
    chain = {"RGBa": ("RGBA", "RGBa"), "La": ("LA", "La"), "PA": ("P", "PA")}.get(mode, (mode,))
    for step in chain:
        source = source.convert(step)
    image = to_rgb(source)
    assert image.mode == "RGB"
    assert near(image, (1, 1), WHITE, 2)


def test_rgb_is_not_copied(picture):
    assert to_rgb(picture) is picture


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(encode, kind):
    image = Image.fromarray(np.full((4, 4), 0x8040, np.uint16))
    assert decode_image(encode(image, kind)).image.getpixel((1, 1)) == (0x80, 0x80, 0x80)


@pytest.mark.parametrize(
    ("mode", "dtype", "values", "grey"),
    [
        ("I", np.int32, [0, 200], [0, 200]),
        ("I", np.int32, [0, 65535], [0, 255]),
        ("I", np.int32, [-5, 200000], [0, 255]),
        ("F", np.float32, [0.0, 1.0], [0, 255]),
        ("F", np.float32, [0.0, 100.0], [0, 100]),
        ("F", np.float32, [np.nan, 1.0], [0, 255]),
    ],
)
def test_wide_greys(mode, dtype, values, grey):
    source = Image.fromarray(np.array([values], dtype))
    assert source.mode == mode
    assert [to_rgb(source).getpixel((x, 0))[0] for x in (0, 1)] == grey


def test_draft_reduces_jpeg_but_not_below_the_side(encode):
    data = encode(Image.new("RGB", (800, 600)), "JPEG")
    decoded = decode_image(data, min_side=140)
    assert decoded.image.size == (200, 150)
    assert decoded.size == (800, 600)
    assert decode_image(data, min_side=601).image.size == (800, 600)


def test_draft_leaves_png_alone(encode):
    assert decode_image(encode(Image.new("RGB", (80, 60)), "PNG"), min_side=10).image.size == (80, 60)


def test_no_such_file(tmp_path):
    assert reason_of(tmp_path / "x.jpg") == "no such file"


def test_directory(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    assert reason_of(tmp_path / "x.jpg") in ("is a directory", "permission denied")  # the second on Windows


def test_zero_bytes(tmp_path):
    (tmp_path / "x.jpg").touch()
    assert reason_of(tmp_path / "x.jpg") == "empty file"
    with pytest.raises(ImageError, match="empty file"):
        decode_image(b"")


@pytest.mark.parametrize(
    "text", ["Dear Ada,\nhow are you?\n", "BM is how this begins, long enough for a header", "\x00" * 99]
)
def test_text_named_jpg(tmp_path, text):
    (tmp_path / "x.jpg").write_text(text)
    assert reason_of(tmp_path / "x.jpg") == "not an image"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system here")
def test_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    assert reason_of(tmp_path / "x.jpg") == "not a regular file"


def test_nul_in_path():
    with pytest.raises(ImageError, match="not a valid path"):
        open_image("a\0b.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permission_denied(picture):
    # pytest's own folders are closed to other users; root reads everything until it acts as somebody else.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "x.png")
        picture.save(path)
        path.chmod(0)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            assert reason_of(path) == "permission denied"
        finally:
            os.seteuid(user)


def test_bomb_is_refused_by_its_header(tmp_path):
    (tmp_path / "x.png").write_bytes(png_claiming(60_000, 60_000))
    assert reason_of(tmp_path / "x.png") == "60000 x 60000 pixels are over the limit of 200 million"


def test_between_pillows_limits_nothing_warns(tmp_path):
    # 100 million: Pillow would warn, which the test run makes an error. The limit is ours to choose.
    (tmp_path / "x.png").write_bytes(png_claiming(10_000, 10_000))
    assert (
        reason_of(tmp_path / "x.png", pixel_limit=99_999_999) == "10000 x 10000 pixels are over the limit of 99,999,999"
    )


def test_huge_webp_is_refused(picture, encode):
    data = bytearray(encode(picture, "WEBP", exif=b"Exif\0\0"))  # the extended form, whose header has the canvas
    data[24:30] = b"\xfe\x3f\0" * 2
    with pytest.raises(ImageError):
        decode_image(bytes(data))


def test_file_over_the_byte_limit_is_not_read(tmp_path):
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(3_000_000)
    assert "bytes are over the limit" in reason_of(tmp_path / "x.jpg", pixel_limit=1000)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.95, 0.5, 0.2])
def test_truncated_jpeg(encode, tmp_path, progressive, kept):
    data = encode(Image.effect_noise((200, 200), 50), "JPEG", progressive=progressive)
    (tmp_path / "x.jpg").write_bytes(data[: int(len(data) * kept)])
    assert "truncated" in reason_of(tmp_path / "x.jpg")


def test_jpeg_whose_end_was_never_written(encode, tmp_path):
    data = encode(Image.effect_noise((200, 200), 50), "JPEG")
    half = len(data) // 2
    (tmp_path / "x.jpg").write_bytes(data[:half] + bytes(len(data) - half))
    assert reason_of(tmp_path / "x.jpg") == "truncated"


def test_jpeg_padded_with_zeros_is_fine(picture, encode):
    assert decode_image(encode(picture, "JPEG") + bytes(512)).image.size == (60, 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF"])
def test_damage_is_always_an_image_error(picture, encode, kind):
    """Cut anywhere and altered anywhere; a warning or any other exception would fail."""
    data = heic(picture) if kind == "HEIF" else encode(picture, kind)
    rng = random.Random(0)
    refused = 0
    for _ in range(100):
        cut = data[: rng.randrange(1, len(data) // 2)]
        altered = bytearray(data)
        altered[rng.randrange(min(len(data), 400))] = rng.randrange(256)
        for damaged in (cut, bytes(altered)):
            try:
                decode_image(damaged)
            except ImageError:
                refused += 1
    assert refused >= 100

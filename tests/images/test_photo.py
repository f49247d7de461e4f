from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import revln.images as images
from revln.errors import ImageError
from revln.images import Transform, decode_thumb, encode_thumb, load_photo

PHOTOS = Path(__file__).parents[2] / "../shared/data/flickr8k/images"


def test_public_surface():
    assert all(hasattr(images, name) for name in images.__all__)


@pytest.mark.parametrize(
    ("size", "thumb"),
    [((800, 600), (256, 192)), ((600, 800), (192, 256)), ((100, 50), (100, 50)), ((5000, 2), (256, 1))],
)
def test_thumb_size(size, thumb):
    assert decode_thumb(encode_thumb(Image.new("RGB", size))).size == thumb


def test_thumb_looks_like_the_photo(picture):
    difference = np.abs(np.asarray(decode_thumb(encode_thumb(picture)), int) - np.asarray(picture, int))
    assert difference.mean() < 5


def test_thumb_tells_nothing_of_place_or_profile(picture, encode, tmp_path):
    exif = Image.Exif()
    exif[271] = "Secret maker"
    (tmp_path / "x.jpg").write_bytes(encode(picture, "JPEG", exif=exif, icc_profile=b"profile" * 99))
    thumb = load_photo(tmp_path / "x.jpg", Transform(16)).thumb
    assert b"Secret" not in thumb
    assert b"profile" not in thumb


def test_bad_thumb():
    with pytest.raises(ImageError, match="thumbnail: not an image"):
        decode_thumb(b"no thumb")


def test_load_photo(picture, encode, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(encode(picture, "PNG"))
    photo = load_photo(path, Transform(20))
    assert photo.pixels.shape == (20, 20, 3)
    assert photo.pixels[10, 2].tolist() == [250, 0, 0]
    assert decode_thumb(photo.thumb).size == (60, 40)
    assert (photo.meta.width, photo.meta.height) == (60, 40)
    assert photo.content_hash == hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def test_load_photo_reads_the_file_once(picture, tmp_path, monkeypatch):
    import revln.images.photo as module

    picture.save(tmp_path / "x.png")
    reads = []
    read_file = module.read_file
    monkeypatch.setattr(module, "read_file", lambda path, **options: reads.append(path) or read_file(path, **options))
    load_photo(tmp_path / "x.png", Transform(20))
    assert reads == [tmp_path / "x.png"]


def test_reduced_decoding_changes_pixels_hardly(tmp_path, encode):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    (tmp_path / "x.jpg").write_bytes(encode(coarse.resize((1600, 1200), Image.Resampling.BICUBIC), "JPEG", quality=95))
    transform = Transform(64)
    full = transform(images.open_image(tmp_path / "x.jpg"))
    reduced = load_photo(tmp_path / "x.jpg", transform).pixels
    assert np.abs(full.astype(int) - reduced).mean() < 1.0


def test_threads_agree_and_nothing_warns(picture, encode, tmp_path):
    paths = []
    for number, kind in enumerate(["JPEG", "PNG", "TIFF", "WEBP"] * 8):
        path = tmp_path / f"{number}.{kind.lower()}"
        path.write_bytes(encode(picture, kind))
        paths.append(path)
    paths.append(tmp_path / "missing.jpg")

    def load(path: Path) -> str:
        try:
            return str(load_photo(path, Transform(16)).pixels.shape)
        except ImageError as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(load, paths))
    assert results == ["(16, 16, 3)"] * 32 + ["no such file"]


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"{PHOTOS} is absent")
def test_real_photos():
    for path in sorted(PHOTOS.iterdir())[:20]:
        photo = load_photo(path, Transform(224))
        np.testing.assert_array_equal(photo.pixels, np.asarray(images.open_image(path)))

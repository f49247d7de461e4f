"""What all tests share. Nothing is left behind: the user's data folder is a temporary one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from revln.models import Model, load_model
from revln.pipeline import Memory, index
from tiny_bundle import make_tiny_bundle

_COLOURS = {"red.png": (255, 0, 0), "green.png": (0, 255, 0), "blue.png": (0, 0, 255), "orange.png": (255, 128, 0)}


@pytest.fixture(autouse=True)
def _no_traces(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("REVLN_DATA", str(data))
    monkeypatch.setenv("REVLN_MEMORY", str(data / "memory.revln"))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose vectors a person can compute, see ``tiny_bundle.py``; not to be written into."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def tiny_model(tiny_bundle: Path) -> Model:
    """The tiny bundle, loaded; models keep no state, so that all tests may use one."""
    return load_model(tiny_bundle)


@pytest.fixture
def make_photo() -> Callable[..., Path]:
    """Writes a photo of one colour, whose tiny vector is that colour."""

    def make(path: Path, colour: tuple[int, int, int] | str, size: tuple[int, int] = (24, 16), **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path, **options)
        return path

    return make


@pytest.fixture
def photo_folder(tmp_path: Path, make_photo: Callable[..., Path]) -> Path:
    """Four photos: red, green, blue and orange."""
    for name, colour in _COLOURS.items():
        make_photo(tmp_path / "photos" / name, colour)
    return tmp_path / "photos"


@pytest.fixture
def memory(tmp_path: Path, tiny_model: Model) -> Memory:
    """An empty memory of the tiny model."""
    return Memory.open(tmp_path / "memory.revln", model=tiny_model)


@pytest.fixture
def filled(memory: Memory, photo_folder: Path) -> Memory:
    """A memory of the four photos."""
    index(photo_folder, memory=memory)
    return memory


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """``shared_data("flickr8k")`` gives that part of the optional data folder, or skips the test."""
    root = Path(__file__).parents[2] / "shared" / "data"

    def part(name: str = "") -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"needs the optional data folder ../shared/data/{name}")
        return path

    return part

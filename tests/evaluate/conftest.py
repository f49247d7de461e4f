from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from revln.pipeline import Model, load_model
from tiny_bundle import make_tiny_bundle

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The tiny model: pictures are their mean colour, texts the sum of their colour words."""
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo a colour, in a folder of its name."""
    folder = tmp_path / "photos"
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), colour).save(folder / name / f"{name}.png")
    return folder

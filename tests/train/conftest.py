"""Training is tested where torch is installed; elsewhere these tests are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


def pytest_report_header() -> str | None:
    return None if find_spec("torch") else "tests/train: skipped, torch is not installed"


@pytest.fixture(scope="session", autouse=True)
def _no_font_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Matplotlib keeps its list of fonts in a temporary place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


@pytest.fixture(scope="session")
def caption_data(tmp_path_factory: pytest.TempPathFactory):
    """A caption data set of 24 training and 8 dev photos: colours with their names."""
    import numpy as np
    from PIL import Image

    from revln.train.align import AlignData

    folder = tmp_path_factory.mktemp("captions")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    names, lines = [], ["image,caption"]
    colours = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 210), "white": (240, 240, 240)}
    for number in range(32):
        word, colour = list(colours.items())[number % 4]
        noise = rng.normal(0, 20, (48, 48, 3))
        pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        names.append(f"{number:02}.jpg")
        Image.fromarray(pixels).save(folder / "images" / names[-1])
        lines += [f"{names[-1]},a {word} wall", f"{names[-1]},a picture that is all {word}"]
    (folder / "captions.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "train.txt").write_text("\n".join(names[:24]), encoding="utf-8")
    (folder / "dev.txt").write_text("\n".join(names[24:]), encoding="utf-8")
    return AlignData.in_folder(folder)

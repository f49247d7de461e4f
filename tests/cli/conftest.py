from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parents[1]))
from revln.cli import app
from tiny_bundle import make_tiny_bundle

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of bundles as the package ships it, with the tiny one as ``base``."""
    directory = tmp_path_factory.mktemp("bundles")
    make_tiny_bundle(directory / "base")
    return directory


@pytest.fixture(autouse=True)
def home(tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, with no memory in it."""
    data = tmp_path / "data"
    monkeypatch.setenv("REVLN_DATA", str(data))
    monkeypatch.delenv("REVLN_MEMORY", raising=False)
    monkeypatch.setattr("revln.models.registry._SHIPPED", shipped)
    monkeypatch.chdir(tmp_path)
    return data


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos in folders that name their colour, and something that is no photo."""
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        Image.new("RGB", (64, 48), colour).save(folder / name / f"{name}.jpg", quality=95)
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs the command line within this process."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="revln")


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., dict[str, Any]]:
    """Runs a command with ``--json`` that has to succeed, and gives its document."""

    def call(*arguments: object) -> dict[str, Any]:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    return call


@pytest.fixture(scope="session")
def indexed(photos: Path, shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of the photos, made once; not to be written to."""
    from revln.pipeline import Memory, index

    before = os.environ.get("REVLN_DATA")
    os.environ["REVLN_DATA"] = str(tmp_path_factory.mktemp("data"))
    directory = tmp_path_factory.mktemp("memory") / "photos.revln"
    memory = Memory.open(directory, model=shipped / "base")
    index([photos], memory=memory, labels_from_folders=True)
    if before is None:
        del os.environ["REVLN_DATA"]
    else:
        os.environ["REVLN_DATA"] = before
    return directory


@pytest.fixture
def memory(indexed: Path, tmp_path: Path) -> Path:
    """A memory of the photos with their folders as labels."""
    return Path(shutil.copytree(indexed, tmp_path / "photos.revln"))


@pytest.fixture
def process(shipped: Path, home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own, whose user has imported the tiny bundle."""
    store = home / "bundles" / "tiny"
    shutil.copytree(shipped / "base", store)

    def call(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "revln.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)

    return call

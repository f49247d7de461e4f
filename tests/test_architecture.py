"""The layers of docs/architecture.md, by machine: who imports whom, what stays unloaded, what is public."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import revln
from tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).parents[1]
HEAVY = ("llama_cpp", "matplotlib", "onnx", "openai", "pandas", "sentence_transformers", "torch", "transformers")
PUBLIC = [
    "Answer",
    "Evidence",
    "Hit",
    "IndexReport",
    "Memory",
    "Model",
    "Record",
    "RevlnError",
    "SearchResult",
    "__version__",
    "ask",
    "caption",
    "classify",
    "index",
    "load_model",
]
USE = """
import sys
import revln

folder, directory, bundle = sys.argv[1:]
memory = revln.Memory.open(directory, model=bundle)
report = revln.index([folder], memory=memory)
assert report.added == 2, report
assert memory.search(text="red")[0].record.uri.endswith("red.jpg")
assert revln.classify(folder + "/blue.jpg", memory=memory, labels=["red", "blue"]).text == "blue"
assert revln.caption(folder + "/blue.jpg", memory=memory).text == "A blue photo."
memory.add(image=folder + "/red.jpg", texts=["Ada on the wall"])
assert revln.caption(folder + "/red.jpg", memory=memory).text == "Ada on the wall."
"""
REPORT = f"""
print("loaded:", *(name for name in {HEAVY!r} if sys.modules.get(name)))
"""


def loaded_by(code: str, *arguments: object) -> list[str]:
    """The heavy modules that a fresh interpreter holds after running some code."""
    command = [sys.executable, "-c", f"import sys\n{code}\n{REPORT}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("loaded:")[2].split()


def test_the_layers_hold() -> None:
    # Run as its command is: within this process it would read the source of modules that tests have altered.
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_by("import revln") == []


def test_importing_every_public_name_loads_nothing_heavy() -> None:
    assert loaded_by("from revln import *") == []


def test_indexing_searching_classifying_and_captioning_load_nothing_heavy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVLN_DATA", str(tmp_path / "data"))
    photos = tmp_path / "photos"
    photos.mkdir()
    for color in ("red", "blue"):
        Image.new("RGB", (64, 48), color).save(photos / f"{color}.jpg")
    bundle = make_tiny_bundle(tmp_path / "tiny", generator=True)
    assert loaded_by(USE, photos, tmp_path / "photos.revln", bundle) == []


def test_the_public_surface_is_exact() -> None:
    assert revln.__all__ == PUBLIC
    assert sorted(revln.__all__) == revln.__all__
    for name in revln.__all__:
        assert getattr(revln, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        revln.nonsense  # noqa: B018

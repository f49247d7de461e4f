"""What the benchmarks share: lists of photos, held-out parts, and the closing line."""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from revln.images import IMAGE_SUFFIXES
from revln.models import cores

PACKAGES = ("revln", "numpy", "onnxruntime", "pillow", "pylance")


def parser(doc: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help is the script's docstring."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", default="base", help="bundle's name or directory (default: base)")
    return made


def photos_in(folder: Path) -> list[Path]:
    """The photos in a folder and below, by name."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        sys.exit(f"error: {folder}: holds no photos")
    return found


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """Photos by class, a folder a class; names as ``revln index --labels-from-folders`` makes them labels."""
    classes = {
        path.name.replace("_", " "): photos_in(path)
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }
    if len(classes) < 2:
        sys.exit(f"error: {folder}: holds no folders to take as classes")
    return classes


def hold_out(
    classes: Mapping[str, Sequence[Path]], seed: int, share: float = 0.2
) -> tuple[list[tuple[Path, str]], list[tuple[Path, str]]]:
    """A random part of each class, and the rest in random order, as pairs of photo and class."""
    rng = random.Random(seed)
    held_out, rest = [], []
    for label, photos in classes.items():
        order = rng.sample(list(photos), len(photos))
        cut = round(share * len(order))
        held_out += [(photo, label) for photo in order[:cut]]
        rest += [(photo, label) for photo in order[cut:]]
    return held_out, rest


def run_python(code: str, *arguments: object) -> dict[str, Any]:
    """Runs code in a fresh interpreter; its last line of output is JSON."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def resident_mb(field: str, process: int | str = "self") -> int:
    """A size that Linux tells of a process, mapped files included: ``VmRSS`` now, ``VmHWM`` the largest so far."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines[field].split()[0]) // 1024


def finish(name: str, **numbers: Any) -> None:
    """Prints the result as one line of JSON, with what it was measured on."""
    machine = {"machine": platform.machine(), "cores": cores(), "python": platform.python_version()}
    print(json.dumps({"benchmark": name, **numbers, "on": machine | {name: version(name) for name in PACKAGES}}))

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of one's own, to be damaged."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture
def change_card(bundle_copy: Path) -> Callable[..., Path]:
    """Puts values into the card of ``bundle_copy``; keys such as ``image.side`` lead into it."""

    def change(**values: object) -> Path:
        path = bundle_copy / "card.json"
        card = json.loads(path.read_text())
        for key, value in values.items():
            place, *inner = key.split("__")
            if inner:
                card[place][inner[0]] = value
            else:
                card[place] = value
        path.write_text(json.dumps(card))
        return bundle_copy

    return change

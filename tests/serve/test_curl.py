"""The examples of docs/serve.md do what they say."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from serving import ADDRESS, picture

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
RECORD = re.compile(r"\b[0-9a-f]{20}\b")


def examples() -> list[str]:
    """The command lines with curl, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = (line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines())
    return [line for line in lines if line.startswith("curl ")]


def test_there_are_examples() -> None:
    assert len(examples()) >= 10


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_examples_work(process: Callable[..., Any], ids: dict[str, str], tmp_path: Path, photos: Path) -> None:
    for name in ("beach.jpg", "ada.jpg", "rose.jpg"):
        (tmp_path / name).write_bytes(picture("yellow"))
    with process(roots=[str(photos)]) as server:
        for line in examples():
            here = RECORD.sub(ids["blue"], line.replace(ADDRESS, server.url).replace("/srv/photos", str(photos)))
            words = [*shlex.split(here), "--silent", "--show-error", "--write-out", "\n%{http_code}"]
            done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=60)
            assert done.returncode == 0, (line, done.stderr)
            status = done.stdout.rpartition(b"\n")[2]
            assert status.startswith(b"2"), (line, done.stdout)

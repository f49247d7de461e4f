"""The source that ``docs/sources.md`` shows, as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from revln.models import Model
from revln.pipeline import Memory

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"


def test_the_documented_source_runs(
    tmp_path: Path, make_photo, tiny_model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photo(tmp_path / "photos" / "1.png", "red")
    make_photo(tmp_path / "photos" / "2.png", "blue")
    items = [
        {"id": 1, "photo": "photos/1.png", "title": "red vase", "category": "vase", "maker": "Ada"},
        {"id": 2, "photo": "photos/2.png", "title": "blue vase", "category": "vase"},
        {"id": 3, "photo": "photos/3.png", "title": "green vase", "category": "vase", "maker": "Ben"},
    ]
    (tmp_path / "catalogue.json").write_text(json.dumps(items))
    monkeypatch.chdir(tmp_path)
    memory = Memory.open("museum.revln", model=tiny_model)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    space: dict[str, object] = {}
    for _ in range(2):
        exec("".join(blocks), space)
    assert capsys.readouterr().out.splitlines() == ["4 added, 2 skipped", "0 added, 2 skipped"]
    hit = memory.search("red")[0].record
    assert (hit.texts, hit.label, hit.uri) == (("red vase",), "vase", str(tmp_path / "photos" / "1.png"))
    answer = memory.search("red", kinds=["qa"])[0].record
    assert answer.texts == ("Who made the red vase? Ada",)
    assert (answer.meta["answer"], answer.meta["image"]) == ("Ada", hit.uri)

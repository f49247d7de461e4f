"""What is added to the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

from revln.pipeline import Memory


def test_a_text(served: Any, memory: Memory) -> None:
    taught = served.data("add_to_memory", text="Ada on the beach", texts=["Ada moved to Lisbon"], label="Ada")
    record = memory.record(taught["id"])
    assert (record.kind, record.source) == (taught["kind"], taught["source"]) == ("text", "manual")
    assert list(record.texts) == taught["texts"] == ["Ada on the beach", "Ada moved to Lisbon"]
    assert record.label == taught["label"] == "Ada"


def test_a_photo_keeps_its_record(served: Any, memory: Memory, ids: dict[str, str], photos: Path) -> None:
    taught = served.data("add_to_memory", image_path=str(photos / "red" / "red.jpg"), text="a wall", label="wall")
    assert taught["id"] == ids["red"]
    assert (taught["texts"], taught["label"]) == (["a wall"], "wall")
    assert len(memory) == 3


def test_a_new_photo(serve: Callable[..., Any], memory: Memory, tmp_path: Path, make_photo: Any) -> None:
    photo = make_photo(tmp_path / "new" / "dog.png", "white")
    taught = serve(roots=(tmp_path / "new",)).data("add_to_memory", image_path=str(photo), text="a dog")
    assert (taught["kind"], taught["uri"]) == ("image", str(photo))
    assert memory.record(taught["id"]).texts == ("a dog",)


def test_only_a_label(served: Any, memory: Memory, ids: dict[str, str]) -> None:
    served.data("add_to_memory", id=ids["red"], texts=["a wall"])
    assert served.data("add_to_memory", id=ids["red"], label="wall")["texts"] == ["a wall"]
    assert memory.record(ids["red"]).label == "wall"


@pytest.mark.parametrize("texts", ['["a wall", "a red wall"]', ["a wall", "a red wall"]])
def test_lists_that_come_as_text(served: Any, ids: dict[str, str], texts: Any) -> None:
    assert served.data("add_to_memory", id=ids["red"], texts=texts)["texts"] == ["a wall", "a red wall"]
    assert served.data("add_to_memory", id=ids["red"], texts="one text")["texts"] == ["one text"]


def test_another_answer_replaces_the_first(served: Any, memory: Memory) -> None:
    first = served.data("add_to_memory", question="Where is Ada?", answer="In Paris")
    second = served.data("add_to_memory", question="Where is Ada?", answer="In Lisbon")
    assert first["id"] == second["id"]
    assert memory.record(second["id"]).meta["answer"] == "In Lisbon"


def test_the_memory_is_tidied_up_now_and_then(
    serve: Callable[..., Any], memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied = []
    monkeypatch.setattr(Memory, "keep_up", lambda self: tidied.append(len(self)))
    served = serve(writes_between_upkeep=2)
    for number in range(5):
        served.data("add_to_memory", text=f"thought {number}")
    assert tidied == [5, 7]

"""How rare words are in a memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from revln.answer import agreements
from revln.models import Model
from revln.pipeline import Memory


@pytest.fixture
def memory(tmp_path: Path, tiny_model: Model) -> Memory:
    memory = Memory.open(tmp_path / "memory.revln", model=tiny_model)
    for number in range(20):
        memory.add(texts=[f"a dog {number}", "一只狗"])
    return memory


def agreement(memory: Memory, word: str, language: str = "en") -> float:
    return float(agreements([[word]], [[word]], [1.0], memory.rarity(language))[0])


def test_what_every_record_says_is_not_rare(memory: Memory) -> None:
    assert agreement(memory, "dog") == agreement(memory, "狗", "zh") == 0
    assert agreement(memory, "7") == agreement(memory, "cat") == agreement(memory, "雪", "zh") == pytest.approx(2.5)


def test_it_follows_the_memory_as_it_grows(memory: Memory) -> None:
    assert agreement(memory, "dog") == 0
    for number in range(20):
        memory.add(texts=f"a cat {number}")
    assert agreement(memory, "dog") == pytest.approx(2.5)


def test_questions_and_an_empty_memory_say_nothing(tmp_path: Path, tiny_model: Model) -> None:
    memory = Memory.open(tmp_path / "empty.revln", model=tiny_model)
    assert agreement(memory, "dog") == 0
    for number in range(4):
        memory.add(texts=["a dog"] if number else ["a cat"])
        memory.add(question=f"what is {number}?", answer="a dog")
    assert agreement(memory, "dog") == pytest.approx(2.5)
    assert agreement(memory, "what") == agreement(memory, "cat")

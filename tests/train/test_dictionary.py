"""Texts out of WordNet's database files."""

from __future__ import annotations

from pathlib import Path

import pytest

from revln.errors import InputError
from revln.train.dictionary import read_dictionary


def test_words_definitions_and_examples(dictionary: Path) -> None:
    """Each once, in lower case and without marks; two letters, or four words, are left out."""
    assert read_dictionary(dictionary) == [
        "wall",
        "garden wall",
        "a thing of stones that one builds",
        "paint",
        "cover with colour",
        "They paint the wall",
        "paint it red",
        "red",
        "of the colour of blood",
    ]


def test_count_of_words_is_hexadecimal_and_long_definitions_are_left_out(tmp_path: Path) -> None:
    words = " ".join(f"word{number} 0" for number in range(16))
    for name in ("data.noun", "data.verb", "data.adj"):
        (tmp_path / name).write_text(f"00000100 03 n 10 {words} 000 | {'long ' * 20}\n", encoding="utf-8")
    assert read_dictionary(tmp_path) == [f"word{number}" for number in range(16)]


def test_folder_without_a_dictionary_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.noun: cannot be read: give the folder of WordNet"):
        read_dictionary(tmp_path)

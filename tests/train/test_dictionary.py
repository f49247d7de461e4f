"""Texts out of WordNet's database files, and of CC-CEDICT."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from revln.errors import InputError
from revln.train.dictionary import read_chinese_dictionary, read_dictionary


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


ENTRIES = """# a comment
貓 猫 [mao1] /cat/CL:隻|只[zhi1]/(dialect) to hide oneself/(coll.) modem/one more/
博物館 博物馆 [bo2 wu4 guan3] /museum/
救 救 [jiu4] /variant of 捄[jiu4]/
王 王 [Wang2] /surname Wang/
王 王 [wang2] /king or monarch/best or strongest of its type/
王 王 [wang4] /to rule/
3C 3C [san1 C] /computers/
塞翁失馬安知非福 塞翁失马安知非福 [sai1] /a blessing in disguise/
"""


@pytest.mark.parametrize("name", ["cedict.txt", "cedict.txt.gz"])
def test_chinese_words_have_their_first_meanings(tmp_path: Path, name: str) -> None:
    """In simplified characters, each once, without notes and without what only leads elsewhere."""
    content = ENTRIES.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read_chinese_dictionary(tmp_path / name) == [
        ("cat; to hide oneself; modem", "猫"),
        ("museum", "博物馆"),
        ("king or monarch; best or strongest of its type", "王"),
    ]


@pytest.mark.parametrize("content", [b"no such entry", b"\xff\xfe", None])
def test_file_without_a_chinese_dictionary_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "cedict.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"cedict\.txt: .*CC-CEDICT"):
        read_chinese_dictionary(tmp_path / "cedict.txt")

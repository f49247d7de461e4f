from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from revln.errors import BundleError
from revln.text import SentenceTokenizer, pad


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "red": 1, "green": 2, "[PAD]": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_sentences_become_ids_and_long_ones_are_cut(file: Path) -> None:
    assert SentenceTokenizer(file, 3).encode(["red green", "blue", "", "red " * 9]) == [[1, 2], [0], [], [1, 1, 1]]


def test_a_lone_surrogate_is_read_as_a_question_mark(file: Path) -> None:
    assert SentenceTokenizer(file, 3).encode(["\udcff red"]) == [[0, 1]]


def test_the_files_own_padding_gives_the_pad_id_and_pads_nothing(file: Path) -> None:
    assert SentenceTokenizer(file, 8).pad_id == 3
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_padding(pad_id=7, length=8)
    tokenizer.save(str(file))
    assert SentenceTokenizer(file, 8).pad_id == 7
    assert SentenceTokenizer(file, 8).encode(["red"]) == [[1]]


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json: no tokenizer\.json"):
        SentenceTokenizer(path, 8)


def test_pad() -> None:
    ids, mask = pad([[5, 6, 7], [], [8]], pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert ids.dtype == mask.dtype == np.int64
    assert pad([[5]], length=3)[1].tolist() == [[1, 0, 0]]
    assert pad([[], []])[0].tolist() == [[0], [0]]

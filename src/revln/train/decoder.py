"""A GPT-style decoder, in the form that Llama and SmolLM2 have.

Pre-norm layers of causal self-attention with rotary positions (Su et al., arXiv 2104.09864), grouped keys (Ainslie et
al., EMNLP 2023, arXiv 2305.13245) and a SwiGLU net (Shazeer, arXiv 2002.05202), RMSNorm (Zhang & Sennrich, NeurIPS
2019), and word vectors that serve as output weights too. Between self-attention and net each layer may look at a
context of image and memory, see ``Context``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.train.checkpoint import replacing

__all__ = ["Context", "Decoder", "DecoderSize", "RMSNorm", "Step"]

_MASKED = -1e4


@dataclass(frozen=True, slots=True)
class DecoderSize:
    """How large a decoder is.

    Attributes:
        vocabulary: number of tokens.
        width: of tokens.
        layers: number of layers.
        heads: of attention.
        key_heads: of its keys and values, each shared by as many heads.
        hidden: width within the nets.
        rotation: base of the rotary positions.
        epsilon: of the norms.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    key_heads: int
    hidden: int
    rotation: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.width // self.heads

    def write(self, path: Path) -> None:
        """Keeps it as JSON.

        Raises:
            TrainingError: it cannot be written.
        """
        with replacing(path) as draft:
            draft.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> DecoderSize:
        """What ``write`` has kept."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Context(NamedTuple):
    """What a decoder looks at besides the words so far, prepared once; several sentences may share a row of it.

    Attributes:
        keys: for each layer [layers, n, heads, s, head width].
        values: likewise.
        bias: added to the attention logits [n, s]; very negative where there is nothing.
    """

    keys: Tensor
    values: Tensor
    bias: Tensor


class Step(NamedTuple):
    """What a decoder says.

    Attributes:
        hidden: last layer after its norm [n, t, width].
        past: keys and values of self-attention so far [layers, 2, n, key heads, p + t, head width].
        looked: share of attention that each place of the context had, mean over layers and heads [n, t, s]; empty
            without a context.
    """

    hidden: Tensor
    past: Tensor
    looked: Tensor


class RMSNorm(nn.Module):
    """Division by the root mean square."""

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon))


class SelfAttention(nn.Module):
    """Causal attention over the words so far."""

    def __init__(self, size: DecoderSize, dropout: float) -> None:
        super().__init__()
        self.size = size
        self.query = nn.Linear(size.width, size.width, bias=False)
        self.key = nn.Linear(size.width, size.key_heads * size.head_width, bias=False)
        self.value = nn.Linear(size.width, size.key_heads * size.head_width, bias=False)
        self.out = nn.Linear(size.width, size.width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], bias: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = (_split(part(x), self.size.head_width) for part in (self.query, self.key, self.value))
        key, value = torch.cat([past[0], _turned(key, *turns)], 2), torch.cat([past[1], value], 2)
        groups = self.size.heads // self.size.key_heads
        keys, values = (part.repeat_interleave(groups, dim=1) if groups > 1 else part for part in (key, value))
        mixed, _ = _attend(_turned(query, *turns), keys, values, bias, self.dropout)
        y: Tensor = self.out(mixed)
        return y, torch.stack([key, value])


class CrossAttention(nn.Module):
    """Attention to a context; its keys and values come ready."""

    def __init__(self, size: DecoderSize, dropout: float) -> None:
        super().__init__()
        self.head_width = size.head_width
        self.norm = RMSNorm(size.width, size.epsilon)
        self.query = nn.Linear(size.width, size.width, bias=False)
        self.key = nn.Linear(size.width, size.width, bias=False)
        self.value = nn.Linear(size.width, size.width, bias=False)
        self.out = nn.Linear(size.width, size.width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def prepare(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [n, heads, s, head width] of tokens [n, s, width]."""
        return _split(self.key(tokens), self.head_width), _split(self.value(tokens), self.head_width)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        # The sentences of a row stand one after the other, since here no word looks at another.
        query = self.query(self.norm(x)).reshape(keys.shape[0], -1, x.shape[-1])
        mixed, weights = _attend(_split(query, self.head_width), keys, values, bias, self.dropout)
        return self.out(mixed).reshape(x.shape), weights.mean(1).reshape(x.shape[0], x.shape[1], -1)


class Layer(nn.Module):
    """Self-attention, attention to a context if there is one, and the net."""

    def __init__(self, size: DecoderSize, dropout: float, *, looks: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(size.width, size.epsilon), RMSNorm(size.width, size.epsilon)
        self.attention = SelfAttention(size, dropout)
        self.cross = CrossAttention(size, dropout) if looks else None
        self.gate = nn.Linear(size.width, size.hidden, bias=False)
        self.up = nn.Linear(size.width, size.hidden, bias=False)
        self.down = nn.Linear(size.hidden, size.width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def think(self, x: Tensor) -> Tensor:
        """The net."""
        x = self.norm2(x)
        y: Tensor = self.dropout(self.down(F.silu(self.gate(x)) * self.up(x)))
        return y


class Decoder(nn.Module):
    """The decoder.

    Args:
        size: how large.
        dropout: of word vectors, attention weights and residual branches.
        looks: whether its layers look at a context.
    """

    def __init__(self, size: DecoderSize, dropout: float = 0.0, *, looks: bool = False) -> None:
        super().__init__()
        self.size = size
        self.words = nn.Embedding(size.vocabulary, size.width)
        self.layers = nn.ModuleList(Layer(size, dropout, looks=looks) for _ in range(size.layers))
        self.norm = RMSNorm(size.width, size.epsilon)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.words.weight, std=0.02)
        for layer in self.layers:
            for name, weight in layer.named_parameters():
                if weight.ndim == 2:
                    # Branches that add to the residual stream start smaller in a deeper net (GPT-2).
                    ends = name.endswith(("out.weight", "down.weight"))
                    nn.init.normal_(weight, std=0.02 / (2 * size.layers) ** 0.5 if ends else 0.02)

    def prepare(self, tokens: Tensor, bias: Tensor) -> Context:
        """A context of tokens [n, s, width] and what is added to their attention logits [n, s]."""
        pairs = [layer.cross.prepare(tokens) for layer in self._each() if layer.cross is not None]
        return Context(torch.stack([keys for keys, _ in pairs]), torch.stack([values for _, values in pairs]), bias)

    def no_past(self, rows: int) -> Tensor:
        """What ``forward`` takes as ``past`` at the beginning of sentences."""
        size = self.size
        return torch.zeros(size.layers, 2, rows, size.key_heads, 0, size.head_width)

    def forward(self, ids: Tensor, past: Tensor, context: Context | None = None) -> Step:
        """Goes on with sentences.

        Args:
            ids: next tokens of each sentence [n, t].
            past: of the tokens before [layers, 2, n, key heads, p, head width].
            context: what to look at; of n rows, or of fewer, each for as many sentences in turn.
        """
        begun, count = past.shape[4], ids.shape[1]
        places = torch.arange(count) + begun
        turns = self._turns(places)
        # A word sees itself and those before it.
        bias = torch.where(torch.arange(begun + count)[None, :] <= places[:, None], 0.0, _MASKED)
        # Taken apart at once: the gradient of each part alone would be as large as the whole.
        pairs = [] if context is None else list(zip(context.keys.unbind(), context.values.unbind(), strict=True))
        x, kept, looked = self.dropout(self.words(ids)), [], []
        for number, layer in enumerate(self._each()):
            change, own = layer.attention(layer.norm1(x), turns, bias, past[number])
            x = x + layer.dropout(change)
            kept.append(own)
            if context is not None and layer.cross is not None:
                change, weights = layer.cross(x, *pairs[number], context.bias[:, None, None, :])
                x = x + layer.dropout(change)
                looked.append(weights)
            x = x + layer.think(x)
        seen = torch.stack(looked).mean(0) if looked else x[:, :, :0]
        return Step(self.norm(x), torch.stack(kept), seen)

    def scores(self, hidden: Tensor) -> Tensor:
        """Logits [..., vocabulary] of the next token."""
        return F.linear(hidden, self.words.weight)

    def _each(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def _turns(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines [t, head width] of the rotation at places [t]."""
        half = self.size.head_width // 2
        speeds = self.size.rotation ** (-torch.arange(half).float() / half)
        angles = places[:, None].float() * torch.cat([speeds, speeds])[None, :]
        return angles.cos(), angles.sin()


def _split(x: Tensor, head_width: int) -> Tensor:
    """Heads [n, heads, t, head width] of [n, t, heads x head width]."""
    return x.reshape(x.shape[0], x.shape[1], -1, head_width).transpose(1, 2)


def _turned(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return x * cosines + torch.cat([-right, left], -1) * sines


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor, dropout: nn.Dropout) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention [n, t, heads x head width], and its weights [n, heads, t, s].

    Written out, since the weights are part of the result, and since the fused function of torch does not export to a
    graph that the runtime fuses in turn.
    """
    weights = (query @ keys.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias).float().softmax(-1)
    mixed = dropout(weights) @ values.float()
    return mixed.transpose(1, 2).flatten(2), weights

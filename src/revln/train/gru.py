"""A bidirectional recurrent network over the tokens of a sentence (GRU: Cho et al., EMNLP 2014, arXiv 1406.1078)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from revln.train.transformer import TransformerEncoder, mean_of_words

__all__ = ["GRUEncoder"]


class GRUEncoder(nn.Module):
    """Sentence encoder: mean over the words of the states of two GRUs, one from either end.

    Args:
        vocabulary: number of tokens.
        width: of tokens and sentence vectors; each direction has half of it.
        layers: number of layers.
        dropout: of tokens and of each layer's states.
    """

    def __init__(self, vocabulary: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.forwards = nn.ModuleList(nn.GRU(width, width // 2, batch_first=True) for _ in range(layers))
        self.backwards = nn.ModuleList(nn.GRU(width, width // 2, batch_first=True) for _ in range(layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Sentence vectors [n, width], not normalised, of token ids [n, t] where mask [n, t] is 1."""
        # From behind a sentence is read from its own last word, not from the padding: places t-1 .. 0, then padding.
        places = torch.arange(ids.shape[1])[None, :]
        reverse = torch.where(mask == 1, mask.sum(1, keepdim=True) - 1 - places, places)[:, :, None]
        x = self.dropout(self.words(ids))
        for ahead, behind in zip(self.forwards, self.backwards, strict=True):
            turned = x.gather(1, reverse.expand(-1, -1, x.shape[2]))
            right, left = ahead(x)[0], behind(turned)[0]
            left = left.gather(1, reverse.expand(-1, -1, left.shape[2]))
            x = self.dropout(torch.cat([right, left], dim=-1))
        return mean_of_words(x, mask)

    def depths(self) -> list[list[nn.Parameter]]:
        """The weights, from the words to the last layer."""
        pairs = zip(self.forwards, self.backwards, strict=True)
        return [list(self.words.parameters()), *([*one.parameters(), *other.parameters()] for one, other in pairs)]

    @torch.no_grad()
    def start_from(self, teacher: TransformerEncoder, words: Tensor) -> None:
        """Takes over word vectors, as long on average as the random ones were; of another kind of net nothing else."""
        self.words.weight.copy_(words / words.std().clamp(min=1e-6))

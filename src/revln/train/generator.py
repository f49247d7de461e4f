"""The generator: a decoder that looks at an image and at what the memory recalls of it.

Its context holds the CNN's grid, the image's vector in the joint space, and the words of the recalled texts. As in
REVEAL (Hu et al., CVPR 2023, arXiv 2212.05221, section 3.4) attention to a recalled text is biased by the logarithm of
its share among all that were recalled, a softmax over retrieval scores; so the loss of the generator reaches the
retriever. One share is kept for "none of them". Words of recalled texts may be copied (pointer-generator: See et al.,
ACL 2017, arXiv 1704.04368), which spells names that the decoder has never met.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.train.decoder import Context, Decoder, RMSNorm

__all__ = ["Generator", "Recalled", "Said", "Seen"]

_MASKED = -1e4
_LEAST = 1e-9
# Of the likenesses at the start: the first two are what brings the best captions up, see benchmarks/README.md.
_SHARPNESS = (20.0, 70.0, 20.0)


class Recalled(NamedTuple):
    """Texts recalled from the memory for each image.

    Attributes:
        words: token ids [n, k, t], 0 at padding; a text that is not there has none.
        likenesses: cosines [n, k, 3] of the image to the picture of the text's record and to the text, and of the
            question that is asked, if there is one, to the text.
    """

    words: Tensor
    likenesses: Tensor


class Seen(NamedTuple):
    """An image and its memory as the decoder looks at them.

    Attributes:
        context: for the decoder; its places are the grid's, one for the whole image, one for none of the texts, and
            the words of each text in turn.
        copied: token ids at the words' places [n, k x t].
        copy_keys: [n, k x t, width].
        copy_bias: added to the logits of copying [n, k x t].
        shares: of none and of each text [n, 1 + k].
    """

    context: Context
    copied: Tensor
    copy_keys: Tensor
    copy_bias: Tensor
    shares: Tensor


class Said(NamedTuple):
    """What the generator says.

    Attributes:
        log_probabilities: of the next token [n, t, vocabulary].
        past: see ``Step``.
        looked: share of attention, copying included, that each place of the context had [n, t, s].
    """

    log_probabilities: Tensor
    past: Tensor
    looked: Tensor


class Generator(nn.Module):
    """The generator.

    Args:
        decoder: one that looks at a context.
        grid_width: channels of the CNN's grid.
        places: of the grid.
        joint_width: of the joint space's shared part.
        dropout: of the grid and of recalled words.
    """

    def __init__(self, decoder: Decoder, grid_width: int, places: int, joint_width: int, dropout: float) -> None:
        super().__init__()
        width = decoder.size.width
        self.decoder, self.grid_width = decoder, grid_width
        self.see = nn.Sequential(nn.Linear(grid_width, width), nn.GELU(), nn.Linear(width, width))
        self.places = nn.Parameter(0.02 * torch.randn(places, width))
        self.whole = nn.Linear(joint_width, width)
        self.none = nn.Parameter(0.02 * torch.randn(width))
        self.none_score = nn.Parameter(torch.tensor(8.0))
        self.sharpness = nn.Parameter(torch.tensor(_SHARPNESS).log())
        # Neighbours of a word tell what comes before it, which copying goes by.
        self.neighbours = nn.Conv1d(width, width, 3, padding=1)
        self.mixed = nn.Linear(width, width)
        self.norm = RMSNorm(width)
        self.copy_query, self.copy_key = nn.Linear(width, width), nn.Linear(width, width)
        self.copy_gate = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        nn.init.constant_(self.copy_gate.bias, -3.0)

    def shares(self, recalled: Recalled) -> Tensor:
        """Logarithms of the shares of none and of each text [n, 1 + k]; those that are not there have none."""
        scores = (recalled.likenesses * self.sharpness.exp()).sum(-1)
        there = (recalled.words > 0).any(-1)
        scores = torch.where(there, scores, torch.full_like(scores, _MASKED))
        none = self.none_score.expand(scores.shape[0], 1)
        return torch.cat([none, scores], 1).log_softmax(-1)

    def look(self, grid: Tensor, whole: Tensor, recalled: Recalled) -> Seen:
        """Prepares a context.

        Args:
            grid: of the CNN [n, places, channels].
            whole: images in the joint space [n, joint width].
            recalled: texts of the memory.
        """
        rows = recalled.words.shape[0]
        log_shares = self.shares(recalled)
        words = self._read(recalled.words.flatten(0, 1)).reshape(rows, -1, self.none.shape[0])
        there = recalled.words > 0
        word_bias = torch.where(there, log_shares[:, 1:, None], torch.full_like(there, _MASKED, dtype=log_shares.dtype))
        word_bias = word_bias.flatten(1)
        image = self.see(self.dropout(grid)) + self.places
        whole_token = self.whole(whole * math.sqrt(whole.shape[-1]))[:, None]
        tokens = torch.cat([image, whole_token, self.none.expand(rows, 1, -1), words], 1)
        bias = torch.cat([torch.zeros(rows, image.shape[1] + 1), log_shares[:, :1], word_bias], 1)
        context = self.decoder.prepare(self.dropout(self.norm(tokens)), bias)
        keys = self.copy_key(words)
        return Seen(context, recalled.words.flatten(1), keys, word_bias, log_shares.exp())

    def forward(self, ids: Tensor, past: Tensor, seen: Seen) -> Said:
        """Goes on with sentences: ids [n, t] after ``past``; several in turn may share a row of what is seen."""
        step = self.decoder(ids, past, seen.context)
        spoken = self.decoder.scores(step.hidden).float().softmax(-1)
        copying = self._copying(step.hidden, seen)
        speaking = 1 - copying.sum(-1, keepdim=True)
        copied = self._copied(copying, seen).reshape(copying.shape)
        both = (speaking * spoken).scatter_add(2, copied, copying)
        before = step.looked.shape[-1] - copying.shape[-1]
        return Said(torch.log(both + _LEAST), step.past, speaking * step.looked + F.pad(copying, (before, 0)))

    def likelihood(self, ids: Tensor, seen: Seen) -> tuple[Tensor, Tensor]:
        """How likely whole sentences [n, t] are, without the distributions, which would take several times as long.

        Returns:
            Log-probability of each token but the first [n, t - 1], and the mean over the vocabulary of what the
            decoder gives, copying aside [n, t - 1].
        """
        hidden = self.decoder(ids[:, :-1], self.decoder.no_past(len(ids)), seen.context).hidden
        logits, targets = self.decoder.scores(hidden).float(), ids[:, 1:, None]
        total = logits.logsumexp(-1)
        copying = self._copying(hidden, seen)
        copied = (self._copied(copying, seen).reshape(copying.shape) == targets) * copying
        spoken = (1 - copying.sum(-1)) * (logits.gather(2, targets)[..., 0] - total).exp()
        return torch.log(spoken + copied.sum(-1) + _LEAST), logits.mean(-1) - total

    def _copying(self, hidden: Tensor, seen: Seen) -> Tensor:
        """Probability [n, t, k x words] of copying each word; adds up to nothing where nothing was recalled."""
        # As in cross-attention, the sentences of a row stand one after the other.
        query = self.copy_query(hidden).reshape(seen.copied.shape[0], -1, hidden.shape[-1])
        logits = (query @ seen.copy_keys.transpose(1, 2)).float() * query.shape[-1] ** -0.5 + seen.copy_bias[:, None]
        copying = (1 - seen.shares[:, :1, None]) * logits.softmax(-1)
        gate = torch.sigmoid(self.copy_gate(hidden).float())
        copied: Tensor = gate * copying.reshape(hidden.shape[0], hidden.shape[1], -1)
        return copied

    @staticmethod
    def _copied(copying: Tensor, seen: Seen) -> Tensor:
        """Token ids at the places of ``copying``, with as many rows of what is seen in turn."""
        times = copying.shape[0] * copying.shape[1] // seen.copied.shape[0]
        return seen.copied[:, None].expand(-1, times, -1)

    def _read(self, words: Tensor) -> Tensor:
        """Vectors of the words of texts [m, t, width]."""
        vectors = self.dropout(self.decoder.words(words)) * (words > 0)[..., None]
        around = self.neighbours(vectors.transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = vectors + self.mixed(F.gelu(around))
        return mixed

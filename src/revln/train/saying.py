"""Sentences of a generator in training: greedy, or drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

from revln.train.generator import Generator, Seen

__all__ = ["say"]

_END = 1  # the place of ``END`` among the special tokens


@torch.no_grad()
def say(
    generator: Generator, seen: Seen, prompts: Tensor, most: int, count: int = 1, chance: torch.Generator | None = None
) -> Tensor:
    """Token ids [n x count, t] of ``count`` sentences for each row of what is seen, 0 after their ends.

    Args:
        generator: speaks.
        seen: rows of what it looks at.
        prompts: tokens [n, p] that the sentences begin with.
        most: longest sentence, beginning and end included.
        count: sentences of each row.
        chance: draws each token by its probability; if not given, the likeliest is taken.
    """
    ids = given = prompts.repeat_interleave(count, 0)
    past, ended = generator.decoder.no_past(len(ids)), (ids == _END).any(1)
    for _ in range(most - prompts.shape[1]):
        told = generator(given, past, seen)
        past, last = told.past, told.log_probabilities[:, -1].float()
        drawn = None if chance is None else torch.multinomial(last.exp(), 1, generator=chance)[:, 0]
        chosen = last.argmax(-1) if drawn is None else drawn
        chosen = torch.where(ended, torch.zeros_like(chosen), chosen)
        given = chosen[:, None]
        ids = torch.cat([ids, given], 1)
        ended |= chosen == _END
        if bool(ended.all()):
            break
    return ids

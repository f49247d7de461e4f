"""Having the generator read sentences instead of saying them: how likely does it find each?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revln.answer import Sentence
from revln.models import BundleGenerator
from revln.models.generator import Seen
from revln.text import pad

__all__ = ["read"]


def read(
    generator: BundleGenerator,
    context: Seen,
    prompts: Sequence[Sequence[int]],
    sentences: Sequence[Sequence[Sequence[int]]],
) -> list[list[Sentence]]:
    """Sentences about each of some photos, as likely as the generator finds them.

    Args:
        generator: reads them.
        context: the photos as the generator looks at them.
        prompts: tokens that what is said of each begins with.
        sentences: tokens of some sentences about each, without beginning and end.
    """
    count = max(map(len, sentences), default=0)
    if not count:
        return [[] for _ in sentences]
    # Each row of the context serves as many sentences; where there are fewer, empty ones fill up.
    filled = [
        [*prompt, *ids, generator.end]
        for prompt, own in zip(prompts, sentences, strict=True)
        for ids in (*own, *[[]] * (count - len(own)))
    ]
    ids = pad(filled)[0]
    said = generator.say(ids[:, :-1], context)
    told = np.take_along_axis(said.log_probabilities, ids[:, 1:, None], axis=2)[..., 0]
    found = []
    for row, (prompt, own) in enumerate(zip(prompts, sentences, strict=True)):
        begin = len(prompt) - 1
        found.append([
            Sentence(
                tuple(one),
                tuple(told[place, begin : begin + len(one) + 1].tolist()),
                said.looked[place, begin : begin + len(one) + 1].mean(axis=0),
            )
            for place, one in enumerate(own, start=row * count)
        ])  # fmt: skip
    return found

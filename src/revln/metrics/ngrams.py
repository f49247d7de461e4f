"""What the metrics of captions have in common: tokens, their n-grams, and references to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from revln.errors import InputError

__all__ = ["LONGEST", "NGram", "References", "Tokens", "check_candidates", "check_references", "ngram_counts"]

Tokens = Sequence[str]
References = Sequence[Sequence[Tokens]]
"""One or more sentences of each image."""
NGram = tuple[str, ...]

LONGEST = 4
"""Words of the longest n-grams that are counted."""


def ngram_counts(tokens: Tokens) -> Counter[NGram]:
    """How often each n-gram of one to four words occurs."""
    # Words side by side: zip ends with the shortest of the shifted sentences.
    sizes = range(1, LONGEST + 1)
    return Counter(chain.from_iterable(zip(*(tokens[n:] for n in range(size)), strict=False) for size in sizes))


def check_candidates(candidates: Sequence[Tokens], references: References) -> None:
    """Raises an error unless there is a candidate for each image, and something to compare it with.

    Raises:
        InputError: no candidates, more or fewer than images, or an image without references.
    """
    if not len(candidates):
        raise InputError("no captions to score: give one for each image")
    if len(candidates) != len(references):
        raise InputError(f"{len(candidates):,} captions for {len(references):,} images: give one for each image")
    check_references(references)


def check_references(references: References) -> None:
    """Raises an error unless there are images and each has references.

    Raises:
        InputError: no images, or one without references.
    """
    if not len(references):
        raise InputError("no images with reference captions: give some")
    if bare := [number for number, sentences in enumerate(references) if not len(sentences)]:
        raise InputError(f"image {bare[0]} (from 0) has no reference captions: leave it out, or give some")

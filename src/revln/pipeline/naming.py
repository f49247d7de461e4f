"""What the vision model's own classes call a photo.

They name things that no caption of the training has shown. Where several classes of a kind share the probability, as
breeds do, the kind is the better name: the last word that their names have in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from revln.metrics import softmax
from revln.models import Model
from revln.text import written_in
from revln.types import ImageEncoding

__all__ = ["names_of"]

_CLASSES = 2
_LEAST = 0.1  # probability
_SEVERAL = 2
_OTHERS = 0.05  # probability of the classes of a kind but for the best, so that it is no mere word


def names_of(model: Model, seen: ImageEncoding, language: str) -> list[tuple[str, float]]:
    """Names of what is seen, as sentences, with their probabilities: of the best classes, and of the best kind.

    Args:
        model: has looked at the photo.
        seen: its encoding.
        language: of the names; without names in it there are none.
    """
    if seen.logits is None:
        return []
    chances, classes = softmax(seen.logits[0]), model.encoder.classes
    found = {}
    for number in np.argsort(-chances)[:_CLASSES].tolist():
        names = [name for name in classes[number] if written_in(name, language)]
        if names:
            found[_plain(names[0])] = float(chances[number])
    kinds = _kinds(tuple(map(tuple, classes))) if language == "en" else {}
    shares = {kind: chances[list(numbers)] for kind, numbers in kinds.items()}
    shared = {kind: float(own.sum()) for kind, own in shares.items() if own.sum() - own.max() >= _OTHERS}
    if shared:
        kind = max(shared, key=lambda name: shared[name])
        found.setdefault(kind, shared[kind])
    return [(name[:1].upper() + name[1:], chance) for name, chance in found.items() if chance >= _LEAST]


@lru_cache(maxsize=4)
def _kinds(classes: Sequence[Sequence[str]]) -> Mapping[str, Sequence[int]]:
    """Numbers of the classes of a kind: those that have a name of several words which ends in its name."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for number, names in enumerate(classes):
        for name in names:
            words = _plain(name).split()
            if words and written_in(name, "en"):
                numbers[words[-1].lower()].add(number)
    return {kind: sorted(own) for kind, own in numbers.items() if len(own) >= _SEVERAL}


def _plain(name: str) -> str:
    """A name without what explains it or is another name."""
    for mark in (" (", " / ", ", "):
        name = name.split(mark, maxsplit=1)[0]
    return name

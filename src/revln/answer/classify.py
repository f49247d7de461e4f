"""Classification by three witnesses: labelled neighbours, the words of the labels, and the CNN's own classes.

Each gives a distribution over the labels; the product of their powers decides (a logarithmic opinion pool: Genest &
Zidek, Statistical Science 1986). The neighbours' say grows with the number of labelled records a label has, since
five records tell less of a class than its name does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.types import Answer, Embedding, Evidence, Hit, LabelScore

__all__ = ["ClassificationSources", "LabelSet", "decide", "fuse", "neighbour_weights"]

Distribution = npt.NDArray[np.float64]

_NEIGHBOUR_TEMPERATURE = 0.05
_TEXT_TEMPERATURE = 0.02
_CLASS_TEMPERATURE = 0.05
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class LabelSet:
    """The labels to choose from, and what is known of each beforehand.

    Attributes:
        labels: names.
        vectors: unit rows [labels, dim] of sentences about them.
        classes: [classes, labels], rows summing to one: how much each of the CNN's own classes speaks for each label;
            None when the model has no classes.
        counts: labelled records [labels] in the memory.
    """

    labels: tuple[str, ...]
    vectors: Embedding
    classes: Distribution | None
    counts: npt.NDArray[np.int64]

    @classmethod
    def make(
        cls, labels: Sequence[str], vectors: Embedding, class_vectors: Embedding | None, counts: Sequence[int]
    ) -> LabelSet:
        """Links the CNN's classes to the labels by the likeness of their names.

        Args:
            labels: names.
            vectors: unit rows [labels, dim] of the labels' names.
            class_vectors: unit rows [classes, dim] of the classes' names.
            counts: labelled records of each label.
        """
        classes = None if class_vectors is None else _softmax(class_vectors @ vectors.T / _CLASS_TEMPERATURE)
        return cls(tuple(labels), vectors, classes, np.asarray(counts, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationSources:
    """What each witness says of one image: distributions [labels]; None where it has nothing to say.

    Attributes:
        memory: labelled neighbours.
        text: cosines between the image and the labels' names.
        classes: the CNN's own classes.
    """

    memory: Distribution | None
    text: Distribution | None
    classes: Distribution | None

    @classmethod
    def of(
        cls, label_set: LabelSet, embedding: Embedding, logits: Embedding | None, neighbours: Sequence[Hit]
    ) -> ClassificationSources:
        """Hears the witnesses on an image.

        Args:
            label_set: labels to choose from.
            embedding: unit vector [dim] of the image.
            logits: of the CNN's own classes [classes].
            neighbours: labelled hits nearest to the image.
        """
        place = {label: index for index, label in enumerate(label_set.labels)}
        memory = None
        if neighbours:
            memory = np.zeros(len(place))
            for hit, weight in zip(neighbours, neighbour_weights(neighbours), strict=True):
                memory[place[str(hit.record.label)]] += weight
        classes = None
        if logits is not None and label_set.classes is not None:
            classes = _softmax(logits[None].astype(np.float64))[0] @ label_set.classes
        text = _softmax((label_set.vectors @ embedding)[None] / _TEXT_TEMPERATURE)[0]
        return cls(memory, text, classes)


def neighbour_weights(neighbours: Sequence[Hit]) -> Distribution:
    """Weights [n] of neighbours, summing to one: a softmax over their cosines."""
    scores = np.array([hit.score for hit in neighbours])
    weights: Distribution = _softmax(scores[None] / _NEIGHBOUR_TEMPERATURE)[0]
    return weights


def fuse(sources: ClassificationSources, label_set: LabelSet) -> tuple[Distribution, float]:
    """The labels' probabilities [labels], and the share of the memory in them."""
    support = float(label_set.counts.mean()) if len(label_set.counts) else 0.0
    powers = (
        (sources.memory, 0.3 + 0.7 * support / (support + 20) if support else 0.0),
        (sources.text, 0.2),
        (sources.classes, 0.3),
    )
    heard = [(distribution, power) for distribution, power in powers if distribution is not None and power > 0]
    pooled = sum((power * np.log(distribution + _FLOOR) for distribution, power in heard), np.zeros(1))
    memory = next((power for distribution, power in heard if distribution is sources.memory), 0.0)
    return _softmax(pooled[None])[0], memory / sum(power for _, power in heard)


def decide(
    uri: str, label_set: LabelSet, sources: ClassificationSources, neighbours: Sequence[Hit], top: int = 5
) -> Answer:
    """The answer on an image, with the neighbours as its evidence."""
    probabilities, memory_share = fuse(sources, label_set)
    order = np.argsort(-probabilities, kind="stable")
    weights = memory_share * neighbour_weights(neighbours) if neighbours else np.zeros(0)
    evidence = [Evidence(hit, float(weight)) for hit, weight in zip(neighbours, weights, strict=True)]
    return Answer(
        uri=uri,
        text=label_set.labels[order[0]],
        confidence=float(probabilities[order[0]]),
        evidence=tuple(sorted(evidence, key=lambda item: -item.weight)),
        none_weight=1.0 - float(weights.sum()),
        labels=tuple(LabelScore(label_set.labels[index], float(probabilities[index])) for index in order[:top]),
    )


def _softmax(logits: npt.NDArray[np.floating]) -> Distribution:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    normalized: Distribution = shifted / shifted.sum(axis=1, keepdims=True)
    return normalized

"""Classification by three witnesses: labelled neighbours, the words of the labels, and the CNN's own classes.

Each gives a distribution over the labels; the product of their powers decides (a logarithmic opinion pool: Genest &
Zidek, Statistical Science 1986). A name says something of a class of which nothing else is known; with every labelled
record it has less to say.

The neighbours vote by kernel ridge regression over the nearest records (nearest ones as in SVM-KNN, Zhang et al., CVPR
2006): a term of its sum is a record's part in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.metrics import likeness_kernel, softmax
from revln.types import Answer, Embedding, Evidence, Hit, LabelScore

__all__ = ["ClassificationSources", "LabelSet", "Neighbours", "decide", "fuse", "vote"]

Distribution = npt.NDArray[np.float64]

_RIDGE = 0.05
_VOTE_TEMPERATURE = 0.2
_NAME_POWER = 0.3
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
        classes = None if class_vectors is None else softmax(class_vectors @ vectors.T / _CLASS_TEMPERATURE)
        return cls(tuple(labels), vectors, classes, np.asarray(counts, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Labelled records near to an image.

    Attributes:
        hits: the records.
        vectors: unit rows [n, dim] of their pictures.
    """

    hits: tuple[Hit, ...]
    vectors: Embedding


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationSources:
    """What each witness says of one image: distributions [labels]; None where it has nothing to say.

    Attributes:
        memory: labelled neighbours.
        text: cosines between the image and the labels' names.
        classes: the CNN's own classes.
        votes: each neighbour's part [n, labels] in what the memory says.
    """

    memory: Distribution | None
    text: Distribution | None
    classes: Distribution | None
    votes: Distribution | None = None

    @classmethod
    def of(
        cls, label_set: LabelSet, embedding: Embedding, logits: Embedding | None, neighbours: Neighbours | None
    ) -> ClassificationSources:
        """Hears the witnesses on an image.

        Args:
            label_set: labels to choose from.
            embedding: unit vector [dim] of the image.
            logits: of the CNN's own classes [classes].
            neighbours: labelled records nearest to the image.
        """
        votes = None if neighbours is None else vote(label_set.labels, embedding, neighbours)
        memory = None if votes is None else softmax(votes.sum(axis=0) / _VOTE_TEMPERATURE)
        classes = None
        if logits is not None and label_set.classes is not None:
            classes = softmax(logits) @ label_set.classes
        text = softmax(label_set.vectors @ embedding / _TEXT_TEMPERATURE)
        return cls(memory, text, classes, votes)


def vote(labels: Sequence[str], embedding: Embedding, neighbours: Neighbours) -> Distribution:
    """Each neighbour's part [n, labels] in the ridge regression of the labels on the image.

    Args:
        labels: names.
        embedding: unit vector [dim] of the image.
        neighbours: records that have one of the labels.
    """
    place = {label: index for index, label in enumerate(labels)}
    targets = np.zeros((len(neighbours.hits), len(labels)))
    targets[np.arange(len(targets)), [place[str(hit.record.label)] for hit in neighbours.hits]] = 1
    kernel = likeness_kernel(neighbours.vectors, neighbours.vectors)
    weights = np.linalg.solve(kernel + _RIDGE * np.eye(len(kernel)), targets - 1 / len(labels))
    votes: Distribution = likeness_kernel(embedding, neighbours.vectors)[:, None] * weights
    return votes


def fuse(sources: ClassificationSources, label_set: LabelSet) -> tuple[Distribution, float]:
    """The labels' probabilities [labels], and the share of the memory in them."""
    support = float(label_set.counts.mean()) if len(label_set.counts) else 0.0
    name = _NAME_POWER / (1 + support)
    powers = ((sources.memory, 1.0), (sources.text, name), (sources.classes, name))
    heard = [(distribution, power) for distribution, power in powers if distribution is not None]
    pooled = sum((power * np.log(distribution + _FLOOR) for distribution, power in heard), np.zeros(1))
    total = sum(power for _, power in heard)
    # Without a memory the names stand alone, and are taken at their word.
    return softmax(pooled / min(total, 1.0)), 0.0 if sources.memory is None else 1 / total


def decide(
    uri: str, label_set: LabelSet, sources: ClassificationSources, neighbours: Neighbours | None, top: int = 5
) -> Answer:
    """The answer on an image; its evidence are the neighbours that voted for it, by their part in the vote."""
    probabilities, memory_share = fuse(sources, label_set)
    order = np.argsort(-probabilities, kind="stable")
    evidence: list[Evidence] = []
    if neighbours is not None and sources.votes is not None:
        speaking = sources.votes[:, order[0]].clip(min=0)
        shares = memory_share * speaking / max(float(speaking.sum()), np.finfo(np.float64).tiny)
        evidence = [Evidence(neighbours.hits[n], float(shares[n])) for n in np.argsort(-shares) if shares[n] > 0]
    return Answer(
        uri=uri,
        text=label_set.labels[order[0]],
        confidence=float(probabilities[order[0]]),
        evidence=tuple(evidence),
        none_weight=1.0 - sum(item.weight for item in evidence),
        labels=tuple(LabelScore(label_set.labels[index], float(probabilities[index])) for index in order[:top]),
    )

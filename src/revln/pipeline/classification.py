"""What class is this photo of? Labelled records, label names and the CNN's own classes, put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from revln.answer import ClassificationSources, LabelSet, Neighbours, decide
from revln.config import NEIGHBOURS
from revln.errors import ImageError, QueryError
from revln.metrics import softmax
from revln.models import ImageLike, Model
from revln.pipeline.looking import look_at_all, model_to_ask
from revln.pipeline.memory import Memory
from revln.protocols import RowIds
from revln.retrieve import QueryVector, Searcher
from revln.store.words import sql_string
from revln.types import Answer, Embedding, ImageEncoding, LabelScore

__all__ = ["Classifier", "classify", "classify_all"]

_TOP = 5


class Classifier:
    """Classifies images over a fixed set of labels.

    Args:
        model: looks at the images.
        memory: its labelled records are the evidence; None for none.
        labels: to choose from; the memory's own when not given, the CNN's own classes when it has none.
        k: neighbours to ask.
    """

    def __init__(
        self, model: Model, memory: Memory | None = None, labels: Sequence[str] | None = None, k: int = NEIGHBOURS
    ) -> None:
        if k < 1:
            raise QueryError(f"k is {k}: ask at least 1 neighbour")
        self._model, self._memory, self._k = model, memory, k
        self._counts = Counter({} if memory is None else memory.label_counts())
        self.labels = sorted(self._counts) if labels is None else _names(labels)

    @cached_property
    def _labelled(self) -> tuple[Searcher, RowIds] | None:
        """Search over the memory, and the rows that have one of the labels; None when there are none."""
        if self._memory is None or not any(self._counts[label] for label in self.labels):
            return None
        searcher = self._memory.searcher()
        return searcher, searcher.view.row_ids(f"label IN ({', '.join(map(sql_string, self.labels))})")

    @cached_property
    def label_set(self) -> LabelSet:
        """The labels with what is known of them."""
        return LabelSet.make(
            self.labels,
            self._model.encode_names(self.labels),
            self._model.class_vectors if self._model.encoder.classes else None,
            [self._counts[label] for label in self.labels],
        )

    def classify(self, uri: str, seen: ImageEncoding) -> Answer:
        """The answer on one encoded image."""
        if not self.labels:
            return self._own_class(uri, seen)
        neighbours = self.neighbours(seen.embeddings[0])
        return decide(uri, self.label_set, self.sources(seen, neighbours), neighbours)

    def sources(self, seen: ImageEncoding, neighbours: Neighbours | None) -> ClassificationSources:
        """What each witness says, one by one."""
        logits = None if seen.logits is None else seen.logits[0]
        return ClassificationSources.of(self.label_set, seen.embeddings[0], logits, neighbours)

    def neighbours(self, embedding: Embedding) -> Neighbours | None:
        """Labelled records nearest to an image by their pictures; None when there are none."""
        if self._labelled is None:
            return None
        searcher, allowed = self._labelled
        hits, vectors = searcher.nearest_images(QueryVector(embedding, "image"), self._k, allowed)
        return Neighbours(hits, vectors) if hits else None

    def _own_class(self, uri: str, seen: ImageEncoding) -> Answer:
        classes = self._model.encoder.classes
        if seen.logits is None or not classes:
            raise QueryError(
                "nothing to choose from: give --labels, or index photos with --labels-from-folders into the memory"
            )
        probabilities = softmax(seen.logits[0])
        best = np.argsort(-probabilities, kind="stable")[:_TOP]
        scores = tuple(LabelScore(classes[index][0], float(probabilities[index])) for index in best)
        return Answer(uri=uri, text=scores[0].label, confidence=scores[0].confidence, labels=scores)


def classify(
    image: ImageLike,
    *,
    memory: Memory | None = None,
    labels: Sequence[str] | None = None,
    model: Model | str | Path | None = None,
    k: int = NEIGHBOURS,
) -> Answer:
    """Class of one image, with the records that speak for it.

    Args:
        image: a file, PIL image or RGB array.
        memory: labelled records to compare with.
        labels: classes to choose from; the memory's own when not given, the CNN's own when it has none.
        model: used without a memory; ``base`` when not given.
        k: neighbours to ask.

    Raises:
        ImageError: the image cannot be read.
        QueryError: there is nothing to choose from.
    """
    return next(classify_all([image], memory=memory, labels=labels, model=model, k=k))


def classify_all(
    images: Sequence[ImageLike],
    *,
    memory: Memory | None = None,
    labels: Sequence[str] | None = None,
    model: Model | str | Path | None = None,
    k: int = NEIGHBOURS,
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[ImageError], None] | None = None,
) -> Iterator[Answer]:
    """``classify`` for many images, in order, on all cores.

    ``unreadable`` is called for each image that cannot be read, which is then left out; without it, that is raised.
    """
    used = model_to_ask(memory, model)
    classifier = Classifier(used, memory, labels, k)
    for done, seen in enumerate(look_at_all(images, used, unreadable), start=1):
        if seen is not None:
            yield classifier.classify(*seen)
        if progress is not None:
            progress(done, len(images))


def _names(labels: Sequence[str]) -> list[str]:
    if isinstance(labels, str):
        raise QueryError(f"labels are given as one string {labels!r}: give a list of names")
    names = list(dict.fromkeys(label.strip() for label in labels))
    if not names or "" in names:
        raise QueryError("an empty label: give names, as in --labels daisy,rose")
    return names

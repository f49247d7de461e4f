"""What a memory recalls of an image: the records nearest to it, each with the text that tells most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from revln.metrics import ridge_weights
from revln.protocols import Calibration, MemoryView, RowIds, VectorSearch
from revln.text import written_in
from revln.types import Embedding, Hit, Modality, Record

__all__ = ["LIKENESS_WEIGHTS", "Neighbour", "Recollection", "recall"]

LIKENESS_WEIGHTS = (20.0, 70.0, 20.0)
"""Weights of the likenesses for a model that has learnt none: about those that joint training arrives at."""

_AROUND = 30  # records
_RIDGE = 0.2
_DEPTH = 4  # so many times as many records come into question as are recalled
_SAYS_SOMETHING = "label IS NOT NULL OR array_length(texts) > 0"
_TOGETHER = 0.5  # of a text that belongs to no picture: neither like it nor unlike


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A record whose picture is near to an image.

    Attributes:
        hit: the record, with the text that tells most.
        fit: cosine of the image to that text.
        texts: all that is said of it, in the language that is asked for if there is something in it.
        part: how much the record counts in a regression on the nearest pictures; the parts sum to one.
    """

    hit: Hit
    fit: float
    texts: tuple[str, ...]
    part: float


@dataclass(frozen=True, slots=True)
class Recollection:
    """Records with a text each, the most alike first.

    Attributes:
        hits: the records; ``score`` is the cosine to the record's picture, or to its text where it has none.
        likenesses: cosines [k, 3] of the image to the record's picture and to the text, and of the question to the
            text; 0 where there is no question.
        around: the records whose pictures are nearest, recalled or not, the nearest first.
    """

    hits: tuple[Hit, ...]
    likenesses: Embedding
    around: tuple[Neighbour, ...] = ()

    @property
    def texts(self) -> list[str]:
        """The text of each record."""
        return [hit.text or "" for hit in self.hits]


def recall(
    view: MemoryView,
    index: VectorSearch,
    calibration: Calibration,
    encode_texts: Callable[[Sequence[str]], Embedding],
    image: Embedding,
    *,
    k: int,
    weights: tuple[float, float, float],
    language: str,
    question: Embedding | None = None,
    excluded: Callable[[Record], bool] | None = None,
) -> Recollection:
    """Recalls ``k`` records of an image, or as many as there are that say something.

    Args:
        view: the records.
        index: their vectors.
        calibration: makes cosines probabilities.
        encode_texts: unit rows of labels, for records that have no other text.
        image: unit vector [dim].
        k: how many.
        weights: of the likenesses in the order of the records.
        language: of the texts, where a record has several.
        question: unit vector [dim] of what is asked about the image; records whose texts are near to it come into
            question too.
        excluded: records that are not to be recalled.
    """
    asked = np.stack([image] if question is None else [image, question])
    kept = _in_question(view, index, asked, k, excluded)
    if not kept:
        return Recollection((), np.zeros((0, len(weights)), np.float32))
    rows = np.array(sorted(kept), np.uint64)
    pictures = _best(index, image, rows)
    unseen = float(np.quantile(list(pictures.values()), _TOGETHER)) if pictures else 0.0
    said = view.text_vectors(rows)
    chosen, likenesses = [], np.zeros((len(rows), len(weights)), np.float32)
    for place, row in enumerate(rows.tolist()):
        vectors = _vectors(kept[row], said.get(row), encode_texts)
        fitting = np.zeros((len(vectors), len(weights)), np.float32)
        fitting[:, 0] = pictures.get(row, unseen)
        fitting[:, 1 : 1 + len(asked)] = vectors @ asked.T
        best = _best_text(kept[row], fitting @ np.array(weights, np.float32), language)
        chosen.append(_texts(kept[row])[best])
        likenesses[place] = fitting[best]
    alike = likenesses @ np.array(weights, np.float32)
    seen = np.isin(rows, np.array(list(pictures), np.uint64))
    scores = np.array([pictures.get(row, fit) for row, fit in zip(rows.tolist(), likenesses[:, 1], strict=True)])
    chances = np.zeros(len(rows))
    stored: Modality
    for stored, own in (("image", seen), ("text", ~seen)):
        chances[own] = calibration.probability(image, scores[own].astype(np.float32), "image", stored)

    def hits(places: Sequence[int]) -> tuple[Hit, ...]:
        return tuple(
            Hit(rank, score, float(chances[place]), kept[int(rows[place])], score, chosen[place])
            for rank, place in enumerate(places, start=1)
            for score in (float(scores[place]),)
        )

    order: list[int] = np.argsort(-alike, kind="stable")[:k].tolist()
    near = _nearest(rows, kept, pictures)
    parts = _parts(index, image, rows[near])
    around = tuple(
        Neighbour(hit, float(likenesses[place, 1]), _in(language, hit.record.told), part)
        for hit, place, part in zip(hits(near), near, parts, strict=True)
    )
    return Recollection(hits(order), likenesses[order], around)


def _nearest(rows: RowIds, records: Mapping[int, Record], pictures: Mapping[int, float]) -> list[int]:
    """Places of the records with the nearest pictures that tell something, the nearest first."""
    telling = [
        place
        for place, row in enumerate(rows.tolist())
        if row in pictures and records[row].kind != "qa" and records[row].told
    ]
    return sorted(telling, key=lambda place: -pictures[int(rows[place])])[:_AROUND]


def _parts(index: VectorSearch, image: Embedding, rows: RowIds) -> list[float]:
    if not len(rows):
        return []
    parts: list[float] = ridge_weights(index.image_vectors(rows), image, _RIDGE).tolist()
    return parts


def _in(language: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Those in the language, if there are some."""
    return tuple(text for text in texts if written_in(text, language)) or texts


def _in_question(
    view: MemoryView, index: VectorSearch, asked: Embedding, k: int, excluded: Callable[[Record], bool] | None
) -> dict[int, Record]:
    """Records that say something: those nearest by their pictures, and those nearest by their texts.

    Args:
        view: the records.
        index: their vectors.
        asked: the image, and the question if there is one [1 or 2, dim].
        k: how many are recalled.
        excluded: records that are not to be recalled.
    """

    def kept(rows: RowIds) -> dict[int, Record]:
        return {
            row: record
            for row, record in view.records(rows).items()
            if (record.told or record.label) and not (excluded and excluded(record))
        }

    depth = _DEPTH * k
    nearest = index.search(asked[0], depth, "image").row_ids
    pictures = kept(nearest)
    if len(pictures) < k and len(nearest) == depth:  # pictures that say nothing have taken the places
        pictures = kept(index.search(asked[0], depth, "image", view.row_ids(_SAYS_SOMETHING)).row_ids)
    for vector in asked:
        pictures |= kept(index.search(vector, depth, "text").row_ids)
    return pictures


def _best(index: VectorSearch, image: Embedding, rows: RowIds) -> dict[int, float]:
    """Cosine to the picture of each of the rows that has one."""
    found = index.search(image, len(rows), "image", rows, exact=True)
    return dict(zip(found.row_ids.tolist(), found.scores.tolist(), strict=True))


def _texts(record: Record) -> tuple[str, ...]:
    """What answers may rest on: what somebody has said of it, else its label."""
    return record.told or (record.label or "",)


def _vectors(record: Record, stored: Embedding | None, encode_texts: Callable[[Sequence[str]], Embedding]) -> Embedding:
    """Unit rows of a record's texts, or of its label."""
    if not record.told or stored is None or len(stored) != len(record.texts):
        return encode_texts(_texts(record))
    return stored[[place for place, text in enumerate(record.texts) if text in record.told]]


def _best_text(record: Record, fitting: Embedding, language: str) -> int:
    """The number of the text that fits best [texts], of those in the language if there are any."""
    texts = _texts(record)
    own = [place for place, text in enumerate(texts) if written_in(text, language)] or list(range(len(texts)))
    return max(own, key=lambda place: float(fitting[place]))

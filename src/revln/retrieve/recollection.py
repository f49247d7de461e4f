"""What a memory recalls of an image: the records nearest to it, each with the text that tells most."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from revln.metrics import ridge_weights, softmax
from revln.protocols import Calibration, MemoryView, RowIds, VectorSearch
from revln.text import written_in
from revln.types import Embedding, Hit, Modality, Record

__all__ = ["LIKENESS_WEIGHTS", "Recollection", "Voice", "recall"]

LIKENESS_WEIGHTS = (20.0, 70.0, 20.0)
"""Weights of the likenesses for a model that has learnt none: about those that joint training arrives at."""

_AROUND = 30  # records
_RIDGE = 0.2
_COUNTING = 4  # records whose captions come into question, whether they are recalled or not
_UNLIKE = 0.4  # pictures with a cosine this far from one show different things
_SHARPNESS = 20.0  # of the joint space: how many times as large a cosine counts, as a logarithm
_DEPTH = 4  # so many times as many records come into question as are recalled
_SAYS_SOMETHING = "label IS NOT NULL OR array_length(texts) > 0"
_TOGETHER = 0.5  # of a text that belongs to no picture: neither like it nor unlike


@dataclass(frozen=True, slots=True)
class Voice:
    """What is said of something that is like an image.

    Attributes:
        text: a sentence.
        part: how much it counts.
    """

    text: str
    part: float


@dataclass(frozen=True, slots=True)
class Recollection:
    """Records with a text each, the most alike first.

    Attributes:
        hits: the records; ``score`` is the cosine to the record's picture, or to its text where it has none.
        likenesses: cosines [k, 3] of the image to the record's picture and to the text, and of the question to the
            text; 0 where there is no question.
        counting: records with a part in what is said that is larger than others', each with the cosine of the image to
            its text; some are not among the hits.
        around: all that is said of the records with the nearest pictures, in the language that is asked for if there is
            something in it, by their parts in a regression on pictures, which sum to one.
        fitting: the text that fits best of each record that came into question; by how well it does, which sums to one.
    """

    hits: tuple[Hit, ...]
    likenesses: Embedding
    counting: tuple[tuple[Hit, float], ...] = ()
    around: tuple[Voice, ...] = ()
    fitting: tuple[Voice, ...] = ()

    @property
    def texts(self) -> list[str]:
        """The text of each record."""
        return [hit.text or "" for hit in self.hits]

    @property
    def novelty(self) -> float:
        """From 0, when a record holds the very picture, to 1, when every picture shows something else."""
        return min(1.0, (1 - float(self.likenesses[:, 0].max(initial=0.0))) / _UNLIKE)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A record that comes into question, compared with an image.

    Attributes:
        row: its number.
        hit: the record with the text that tells most; not ranked yet.
        stored: what the hit's score is the cosine to.
        likenesses: of record and text [3].
        alike: how much all in all.
    """

    row: int
    hit: Hit
    stored: Modality
    likenesses: Embedding
    alike: float

    @property
    def fit(self) -> float:
        """Cosine of the image to the text."""
        return float(self.likenesses[1])


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
    compared = _compare(view, index, calibration, encode_texts, asked, kept, weights, language)
    recalled = sorted(compared, key=lambda one: -one.alike)[:k]
    # What is said of like things; an answer to a question is not said of them by itself.
    telling = [one for one in compared if one.hit.record.kind != "qa" and one.hit.record.told]
    near = sorted((one for one in telling if one.stored == "image"), key=lambda one: -one.hit.score)[:_AROUND]
    pictures = index.image_vectors(np.array([one.row for one in near], np.uint64))
    parts = ridge_weights(pictures, image, _RIDGE).tolist()
    counting = [near[place] for place in np.argsort(np.negative(parts), kind="stable")[:_COUNTING]]
    return Recollection(
        _ranked(recalled),
        np.array([one.likenesses for one in recalled]),
        tuple(zip(_ranked(counting), (one.fit for one in counting), strict=True)),
        tuple(_around(near, parts, language)),
        tuple(_fitting(telling)),
    )


def _compare(
    view: MemoryView,
    index: VectorSearch,
    calibration: Calibration,
    encode_texts: Callable[[Sequence[str]], Embedding],
    asked: Embedding,
    records: Mapping[int, Record],
    weights: tuple[float, float, float],
    language: str,
) -> list[_Compared]:
    """Compares records with an image, in the order of their rows; for the arguments see ``recall``."""
    rows, image = np.array(sorted(records), np.uint64), asked[0]
    pictures = _best(index, image, rows)
    unseen = float(np.quantile(list(pictures.values()), _TOGETHER)) if pictures else 0.0
    said = view.text_vectors(rows)
    best, fitting = [], np.zeros((len(rows), len(weights)), np.float32)
    for place, row in enumerate(rows.tolist()):
        record, vectors = records[row], _vectors(records[row], said.get(row), encode_texts)
        likenesses = np.zeros((len(vectors), len(weights)), np.float32)
        likenesses[:, 0] = pictures.get(row, unseen)
        likenesses[:, 1 : 1 + len(asked)] = vectors @ asked.T
        text = _best_text(record, likenesses @ np.array(weights, np.float32), language)
        best.append(_texts(record)[text])
        fitting[place] = likenesses[text]
    sides: list[Modality] = ["image" if row in pictures else "text" for row in rows.tolist()]
    cosines = np.where([side == "image" for side in sides], fitting[:, 0], fitting[:, 1])
    chances = np.zeros(len(rows))
    for side in set(sides):  # all at once: what the calibration has to know of the image takes a while
        own = [place for place, other in enumerate(sides) if other == side]
        chances[own] = calibration.probability(image, cosines[own], "image", side)
    return [
        _Compared(
            row, Hit(0, cosine, chance, records[row], cosine, text), side, likenesses, float(likenesses @ weights)
        )
        for row, cosine, chance, text, side, likenesses in zip(
            rows.tolist(), cosines.tolist(), chances.tolist(), best, sides, fitting, strict=True
        )
    ]


def _ranked(compared: Sequence[_Compared]) -> tuple[Hit, ...]:
    return tuple(dataclasses.replace(one.hit, rank=rank) for rank, one in enumerate(compared, start=1))


def _around(near: Sequence[_Compared], parts: Sequence[float], language: str) -> list[Voice]:
    """All that is said of records, by how much each counts."""
    voices = []
    for one, part in zip(near, parts, strict=True):
        told = one.hit.record.told
        texts = [text for text in told if written_in(text, language)] or told
        voices += [Voice(text, part / len(texts)) for text in texts]
    return voices


def _fitting(telling: Sequence[_Compared]) -> list[Voice]:
    """The text of each record, by how well it fits."""
    shares = softmax(_SHARPNESS * np.array([one.fit for one in telling])).tolist() if telling else []
    return [Voice(one.hit.text or "", share) for one, share in zip(telling, shares, strict=True)]


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
    pictures = index.search(asked[0], depth, "image").row_ids
    texts = [index.search(vector, depth, "text").row_ids for vector in asked]
    records = kept(np.unique(np.concatenate([pictures, *texts])))  # reading them takes longest, so all at once
    telling = sum(row in records for row in pictures.tolist())
    if telling < k and len(pictures) == depth:  # pictures that say nothing have taken the places
        records |= kept(index.search(asked[0], depth, "image", view.row_ids(_SAYS_SOMETHING)).row_ids)
    return records


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

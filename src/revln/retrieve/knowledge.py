"""From knowledge to photos: a text that fits the query leads to the photos that it is linked with.

The memory of many sources is that of REVEAL (Hu et al., CVPR 2023, arXiv 2212.05221).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from revln.protocols import Calibration, MemoryView, VectorSearch
from revln.retrieve.evidence import QueryVector
from revln.retrieve.filters import one_of
from revln.retrieve.scope import PHOTO_KINDS, Scope, reweighted
from revln.types import Embedding, Record, Via

__all__ = ["EncodeTexts", "Knowledge", "Lead"]

EncodeTexts = Callable[[Sequence[str]], Embedding]

# Measured with WordNet's records of a thousand classes: definitions find their class with any threshold up to 0.9,
# and from there on captions of everyday scenes, and sentences that nothing fits, are left as they were.
_FITS_AT = 0.9
_FOLLOWED = 3  # more find no more, and cost the time to encode their names
_LOOKED_AT = 20  # for the few to be followed: several records may say the same of one class
_PHOTOS = 100  # that one search leads to at most by links, and by each name


class Lead(NamedTuple):
    """Why a photo may be what the query asks for.

    Attributes:
        probability: that it is.
        via: the knowledge that leads to it.
    """

    probability: float
    via: Via


@dataclass(frozen=True, slots=True)
class _Known:
    """A record that fits the query, and how."""

    record: Record
    via: Via

    @property
    def name(self) -> str | None:
        """What it is about: of a class all its names."""
        return self.record.texts[0] if self.record.kind == "label" else self.record.label

    @property
    def photos(self) -> set[str]:
        """Uris or ids of the photos that it names."""
        named = self.record.meta.get("image")
        return {self.record.uri, *([named] if isinstance(named, str) else [])}

    def leads_to(self, photo: Record) -> bool:
        """Whether it is linked with a photo."""
        same_label = photo.label is not None and photo.label == self.record.label
        return same_label or not self.photos.isdisjoint((photo.uri, photo.id))


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The records that lead to others.

    Attributes:
        view: all records.
        index: their vectors.
        calibration: makes cosines probabilities.
        encode_texts: unit rows [n, dim] of names; without it photos are found by links alone.
    """

    view: MemoryView
    index: VectorSearch
    calibration: Calibration
    encode_texts: EncodeTexts | None = None

    def leads(self, query: QueryVector, scope: Scope) -> dict[int, Lead]:
        """Photos that the knowledge leads to, by row id.

        A photo's chance is that of the knowledge to fit, times that of the photo to show what the knowledge is about:
        1 where the two are linked, else the photo's own for the name.

        Args:
            query: what is searched for.
            scope: which photos may be found.
        """
        known = self._fitting(query, scope)
        best: dict[int, Lead] = {}
        for row_id, lead in (*self._linked(known, query, scope), *self._near(known, scope)):
            if row_id not in best or lead.probability > best[row_id].probability:
                best[row_id] = lead
        return best

    def _fitting(self, query: QueryVector, scope: Scope) -> list[_Known]:
        """The few that clearly fit, best first, one for each class."""
        if not len(scope.knowledge):
            return []
        found = self.index.search(query.vector, _LOOKED_AT, "text", scope.knowledge)
        chances = self.calibration.probability(query.vector, found.scores, query.modality, "text")
        if not scope.weights and not (chances >= _FITS_AT).any():
            return []
        records = self.view.records(found.row_ids)
        chances = reweighted(chances, np.array([scope.weight_of(record) for record in records.values()], np.float32))
        known: dict[str, _Known] = {}
        for record, number, chance in zip(records.values(), found.text_numbers, chances.tolist(), strict=True):
            via = Via(record.id, record.kind, record.texts[number], record.label, record.uri, chance)
            key = record.label or record.id
            if chance >= _FITS_AT and (key not in known or chance > known[key].via.probability):
                known[key] = _Known(record, via)
        return sorted(known.values(), key=lambda one: -one.via.probability)[:_FOLLOWED]

    def _linked(self, known: Sequence[_Known], query: QueryVector, scope: Scope) -> Iterator[tuple[int, Lead]]:
        """Photos with the same label or uri, and those that the knowledge names."""
        if not known:
            return
        labels = sorted({one.record.label for one in known if one.record.label})
        named = sorted(set().union(*(one.photos for one in known)))
        conditions = [one_of("uri", named), one_of("id", named), *([one_of("label", labels)] if labels else [])]
        rows = scope.linked(f"{one_of('kind', PHOTO_KINDS)} AND ({' OR '.join(conditions)})")
        if len(rows) > _PHOTOS:
            rows = self.index.search(query.vector, _PHOTOS, "image", rows).row_ids
        for row_id, photo in self.view.records(rows).items():
            yield from ((row_id, Lead(one.via.probability, one.via)) for one in known if one.leads_to(photo))

    def _near(self, known: Sequence[_Known], scope: Scope) -> Iterator[tuple[int, Lead]]:
        """Photos near to the names of what the knowledge is about."""
        named = [(one.name, one.via) for one in known if one.name]
        if not named or self.encode_texts is None:
            return
        vectors = self.encode_texts([name for name, _ in named])
        found = self.index.search(vectors, _PHOTOS, "image", scope.allowed)
        for vector, (_, via), scores, rows in zip(vectors, named, found.scores, found.row_ids, strict=True):
            chances = self.calibration.probability(vector, scores, "text", "image")
            for row_id, chance in zip(rows.tolist(), chances.tolist(), strict=True):
                yield row_id, Lead(via.probability * chance, via)

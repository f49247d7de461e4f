"""What the stages ask of their collaborators. Only the pipeline knows the concrete classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from revln.types import Candidate, Embedding, ImageEncoding, Modality, Record, Skipped, WriteReply, WriteRequest

__all__ = [
    "Calibration",
    "Encoder",
    "MemoryView",
    "RowIds",
    "Said",
    "Source",
    "Speaker",
    "VectorMatches",
    "VectorSearch",
    "Writer",
]

RowIds = npt.NDArray[np.uint64]


class Source(Protocol):
    """Something to index: a folder, a caption file, or a user's own."""

    def scan(self) -> Iterator[Candidate | Skipped | None]:
        """Yields what there is to index in a stable order; ``None`` for each file ignored by its kind."""
        ...


class Encoder(Protocol):
    """A model that puts images and texts into one space."""

    @property
    def id(self) -> str:
        """Name and version of the bundle, with a hash of its parts."""
        ...

    @property
    def dim(self) -> int:
        """Width of the joint space."""
        ...

    def encode_pixels(self, pixels: npt.NDArray[np.uint8]) -> ImageEncoding:
        """Embeddings and class logits of transformed images [n, side, side, 3]."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Unit rows [n, dim] of sentences."""
        ...


class Calibration(Protocol):
    """Turns cosines into probabilities."""

    def probability(self, query: Embedding, scores: Embedding, asked: Modality, stored: Modality) -> Embedding:
        """Chance [n] that each of the cosines ``scores`` [n] joins two things that belong together.

        Args:
            query: the query's unit vector [dim].
            scores: cosines [n].
            asked: modality of the query.
            stored: modality of the vectors that the cosines are to.
        """
        ...


class Said(Protocol):
    """What a speaker says next.

    Attributes:
        log_probabilities: of each token of the vocabulary [m, t, vocabulary].
        past: what the next call takes as ``past``; its third axis is that of the sentences.
        looked: share of attention that each place of the context had [m, t, s].
    """

    @property
    def log_probabilities(self) -> Embedding:
        """See above."""
        ...

    @property
    def past(self) -> Embedding:
        """See above."""
        ...

    @property
    def looked(self) -> Embedding:
        """See above."""
        ...


class Speaker(Protocol):
    """Something that goes on with sentences, about one or several things that it looks at."""

    @property
    def end(self) -> int:
        """The token that sentences end with."""
        ...

    def say(self, ids: npt.NDArray[np.int64], past: Embedding | None = None) -> Said:
        """What follows the next tokens [m, t] of sentences; ``past`` is of what came before."""
        ...

    def only(self, places: npt.NDArray[np.int64]) -> Speaker:
        """The same about some of the things that it looks at, by their places."""
        ...


class Writer(Protocol):
    """A larger model that tells about photos, with what a memory recalls of them."""

    @property
    def looks(self) -> bool:
        """Whether it looks at photos and cites records; one that does not is told what the bundle's generator sees."""
        ...

    def write(self, request: WriteRequest) -> WriteReply:
        """Tells about one photo.

        Raises:
            GeneratorError: it fails.
        """
        ...


class MemoryView(Protocol):
    """One version of a memory's records; row ids are stable and mean the same record in every version."""

    def kinds(self) -> Mapping[str, int]:
        """Number of records of each kind."""
        ...

    def sources(self) -> Mapping[str, int]:
        """Number of records of each source."""
        ...

    def row_ids(self, where: str | None = None) -> RowIds:
        """Ids [n] of the rows that pass an SQL filter, ascending.

        Raises:
            QueryError: the filter does not work.
        """
        ...

    def full_text(self, query: str, limit: int, where: str | None = None) -> tuple[RowIds, Embedding]:
        """Rows [n] with a word of the query and their BM25 scores [n], best first.

        Raises:
            QueryError: the filter does not work.
        """
        ...

    def records(self, row_ids: RowIds) -> dict[int, Record]:
        """Records by row id, in the order asked; rows that do not exist are left out."""
        ...

    def column(self, name: str, row_ids: RowIds) -> dict[int, Any]:
        """One column's values by row id, in the order asked; rows that do not exist are left out."""
        ...

    def text_vectors(self, row_ids: RowIds) -> dict[int, Embedding]:
        """Vectors [texts, dim] of the texts of each row that has some, by row id."""
        ...


class VectorMatches(NamedTuple):
    """Records found by their vectors, best first; one entry a record, for its best vector.

    Attributes:
        scores: cosines, float32 [k] for one query, [q, k] for several.
        row_ids: uint64, of the same shape.
        text_numbers: int32, of the same shape: which of the record's texts it is, -1 for an image vector.
    """

    scores: Embedding
    row_ids: RowIds
    text_numbers: npt.NDArray[np.int32]


class VectorSearch(Protocol):
    """Nearest vectors of one version of a memory."""

    def search(
        self,
        query: Embedding,
        k: int,
        modality: Modality,
        allowed_row_ids: RowIds | None = None,
        *,
        exact: bool = False,
    ) -> VectorMatches:
        """The ``k`` records (fewer if there are not as many) whose best vector of a modality is nearest.

        Args:
            query: unit vector [dim] or rows of such [q, dim].
            k: how many, at least 1.
            modality: which of the records' vectors to look at.
            allowed_row_ids: only these records, ascending; ``None`` for all.
            exact: none may be missed, whatever that takes; else a few in a hundred may be.
        """
        ...

    def image_vectors(self, row_ids: RowIds) -> Embedding:
        """Image vectors [n, dim] of rows that have one, in the order asked.

        Raises:
            KeyError: a row has no image vector.
        """
        ...

"""What is asked for, as a vector of the memory's model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revln.errors import MemoryStoreError, QueryError
from revln.models import ImageLike, Model
from revln.retrieve import QueryVector, mix
from revln.text import foreign_script
from revln.types import Embedding, Modality

__all__ = ["EncodedQuery", "query_vector", "query_warnings"]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedQuery:
    """A text, an image, or both, encoded already; for those who encode the queries of several searches together.

    Attributes:
        encoder_id: the model that encoded them.
        text: unit vector [dim] of the text.
        image: unit vector [dim] of the image.
    """

    encoder_id: str
    text: Embedding | None = None
    image: Embedding | None = None


def query_vector(
    model: Model,
    text: str | None = None,
    image: ImageLike | None = None,
    vector: Embedding | None = None,
    encoded: EncodedQuery | None = None,
    text_weight: float = 0.5,
) -> QueryVector | None:
    """The vector to compare with; ``None`` when nothing is given. The arguments are those of ``Memory.search``.

    Raises:
        QueryError: the vector is of no use, or given together with others.
        ImageError: the image cannot be read.
        MemoryStoreError: what is encoded already is of another model.
    """
    if vector is not None:
        if text is not None or image is not None or encoded is not None:
            raise QueryError("a vector is given together with a text or an image: give one of them")
        return _given(model, vector)
    if encoded is not None and encoded.encoder_id != model.id:
        raise MemoryStoreError(f"the memory was migrated to the model {model.id} meanwhile: ask again")
    parts: dict[Modality, Embedding] = {}
    if encoded is not None and encoded.text is not None:
        parts["text"] = encoded.text
    elif text is not None:
        parts["text"] = model.encode_texts([text])[0]
    if encoded is not None and encoded.image is not None:
        parts["image"] = encoded.image
    elif image is not None:
        parts["image"] = model.encode_images([image])[0]
    if len(parts) < 2:
        return next((QueryVector(part, modality) for modality, part in parts.items()), None)
    # Cosines to images spread much wider for an image than for a text: measured in their own spread, half and
    # half means that both have the same say.
    background = model.encoder.calibration.moments["image"]
    text_part, image_part = (part / background.spread(part) for part in parts.values())
    mixed = mix(text_part, image_part, text_weight)
    # The scale of a text is for vectors that lie in the part of the space that texts use.
    return QueryVector(mixed, "text" if text_weight == 1 else "image")


def query_warnings(model: Model, text: str | None) -> tuple[str, ...]:
    """Sentences for the person who asked for a text."""
    languages = model.card.languages
    script = None if text is None else foreign_script(text, languages)
    if script is None:
        return ()
    trained = ", ".join(languages)
    return (f"the query is in {script} script, the model knows {trained} only: the hits may not fit",)


def _given(model: Model, vector: Embedding) -> QueryVector:
    try:
        row = np.asarray(vector, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise QueryError(f"the vector holds no numbers ({error}): give {model.dim} of them") from error
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(row))
    if row.shape != (model.dim,) or not np.isfinite(length) or length == 0:
        raise QueryError(f"the vector has shape {np.shape(vector)}: give {model.dim} finite numbers, not all 0")
    shared = model.card.text.dim
    modality: Modality = "text" if shared is not None and not row[shared:].any() else "image"
    return QueryVector((row / length).astype(np.float32), modality)

"""A bundle's calibration, helped by what a memory's own photos and captions show.

What was measured, in ``benchmarks/README.md``, says which parts of it a memory may change. For a sentence asked of
photos and for a sentence asked of texts the bundle's background stays: in a memory of flowers "a daisy" is near to
every photo, and measured against them none would seem to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revln.metrics import Line
from revln.models.calibration import BackgroundCalibration, Moments, caption_line
from revln.types import Embedding, Modality

__all__ = ["MemoryCalibration"]

_BUNDLE_COUNTS_AS = 1000.0  # vectors: with as many of its own, memory and bundle have the same say
_FEWEST = 100
_FEWEST_CAPTIONED = 200
_MOST_CAPTIONED = 500  # of more photos the line would be no better


@dataclass(frozen=True, slots=True, eq=False)
class MemoryCalibration:
    """Probabilities of one memory.

    Attributes:
        bundle: calibration of the model.
        moments: of the bundle and the memory together, by modality of the stored vectors; used when photos are asked
            with.
        line: of photos asked with for captions; the bundle's where ``None``.
    """

    bundle: BackgroundCalibration
    moments: Mapping[Modality, Moments]
    line: Line | None = None

    def probability(self, query: Embedding, scores: Embedding, asked: Modality, stored: Modality) -> Embedding:
        """Chance [n] that each cosine [n] to the query [dim] joins two things that belong together."""
        if asked == "text":
            return self.bundle.probability(query, scores, asked, stored)
        lines = self.bundle.lines if self.line is None else {**self.bundle.lines, ("image", "text"): self.line}
        return BackgroundCalibration(self.moments, lines).probability(query, scores, asked, stored)

    @classmethod
    def learn(
        cls, bundle: BackgroundCalibration, images: Embedding, texts: Embedding, owners: npt.NDArray[np.int64]
    ) -> MemoryCalibration:
        """Learns from a sample of a memory's vectors.

        Args:
            bundle: calibration of the model.
            images: unit rows [n, dim] of photos.
            texts: unit rows [m, dim] of their captions.
            owners: index [m] of the photo that each caption describes.
        """
        own: dict[Modality, Embedding] = {"image": images, "text": texts}
        moments = {modality: _blended(bundle.moments[modality], vectors) for modality, vectors in own.items()}
        captioned, places = np.unique(owners, return_inverse=True)
        if len(captioned) < _FEWEST_CAPTIONED:
            return cls(bundle, moments)
        few = places < _MOST_CAPTIONED
        photos = images[captioned[:_MOST_CAPTIONED]]
        return cls(bundle, moments, caption_line(photos, texts[few], places[few], moments["text"]))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What was learned; half precision is more than its sampling error."""
        arrays: dict[str, npt.NDArray[Any]] = {"line": np.array(self.line or ())}
        for modality, moments in self.moments.items():
            arrays[f"{modality}_mean"] = moments.mean
            arrays[f"{modality}_covariance"] = moments.covariance.astype(np.float16)
        return arrays

    @classmethod
    def of_arrays(cls, bundle: BackgroundCalibration, arrays: Mapping[str, npt.NDArray[Any]]) -> MemoryCalibration:
        """Inverse of ``to_arrays``.

        Raises:
            ValueError: the arrays are not such, or do not fit the bundle.
        """
        try:
            moments = {
                modality: Moments(
                    arrays[f"{modality}_mean"].astype(np.float32), arrays[f"{modality}_covariance"].astype(np.float32)
                )
                for modality in bundle.moments
            }
            line = tuple(map(float, arrays["line"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"incomplete: {error}") from error
        shapes = [
            [(one.mean.shape, one.covariance.shape) for one in part.values()] for part in (moments, bundle.moments)
        ]
        if shapes[0] != shapes[1] or len(line) not in {0, 2} or not np.isfinite(line).all():
            raise ValueError("does not fit the model")
        return cls(bundle, moments, (line[0], line[1]) if line else None)


def _blended(bundle: Moments, vectors: Embedding) -> Moments:
    """Moments of the bundle's background with the memory's own vectors [n, dim], which weigh more the more they are."""
    if len(vectors) < _FEWEST:
        return bundle
    own, share = Moments.of(vectors), len(vectors) / (len(vectors) + _BUNDLE_COUNTS_AS)
    return Moments(
        np.asarray(share * own.mean + (1 - share) * bundle.mean, np.float32),
        np.asarray(share * own.covariance + (1 - share) * bundle.covariance, np.float32),
    )

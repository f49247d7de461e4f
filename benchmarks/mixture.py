"""Vectors in the shape of a bundle's space, as many as wanted, the same for the same number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revln.models import Model
from revln.types import Embedding

__all__ = ["Mixture"]

CHUNK = 16_384
# Share of the variance along each dimension of the shared part, read off the bundle's vectors of 7,000 photos: at
# these dimensions, between them log-linear.
SPECTRUM = {1: 0.068, 2: 0.057, 4: 0.043, 8: 0.027, 16: 0.0157, 32: 0.0075, 64: 0.0027, 128: 0.00078, 256: 0.0002}
GROUPS, CLUSTERS = 40, 800
SHARED_SHARES = (0.4, 0.25)  # of the variance: between groups, between the clusters of a group; the rest within
OWN_SHARES = (0.14, 0.08)
TEXT_SHARE = 0.3  # of a query's direction that is an image's
VISUAL_WEIGHT = 3.5


class Mixture:
    """Clusters within clusters.

    Args:
        model: gives the width of the shared part and of the whole.
    """

    def __init__(self, model: Model) -> None:
        self.dim = model.dim
        self.shared = model.card.text.dim or model.dim
        rng = np.random.default_rng(0)
        places = np.log(np.arange(1, self.shared + 1))
        shares = np.exp(np.interp(places, np.log(list(SPECTRUM)), np.log(list(SPECTRUM.values()))))
        self._spread = np.sqrt(shares / shares.sum())
        self._groups = rng.integers(0, GROUPS, CLUSTERS)
        self._often = 1 / np.sqrt(np.arange(1, CLUSTERS + 1))
        self._often /= self._often.sum()
        self._shared_centres = self._centres(rng, self.shared, SHARED_SHARES)
        self._own_centres = self._centres(rng, self.dim - self.shared, OWN_SHARES)

    def _centres(self, rng: np.random.Generator, width: int, shares: tuple[float, float]) -> Embedding:
        groups = rng.standard_normal((GROUPS, width))[self._groups]
        return (np.sqrt(shares[0]) * groups + np.sqrt(shares[1]) * rng.standard_normal((CLUSTERS, width))).astype("f4")

    def images(self, start: int, stop: int) -> Embedding:
        """Unit vectors [stop - start, dim] of images by number."""
        parts = []
        for chunk in range(start // CHUNK, (stop - 1) // CHUNK + 1):
            own = self._chunk(chunk)
            parts.append(own[max(0, start - chunk * CHUNK) : stop - chunk * CHUNK])
        return np.concatenate(parts)

    def take(self, numbers: npt.NDArray[np.int64]) -> Embedding:
        """Unit vectors [n, dim] of the images with some numbers, ascending."""
        chunks = numbers // CHUNK
        return np.concatenate([self._chunk(chunk)[numbers[chunks == chunk] % CHUNK] for chunk in np.unique(chunks)])

    def queries(self, count: int, images: int) -> Embedding:
        """Unit vectors [count, dim] of texts, each about one of the first ``images`` images."""
        rng = np.random.default_rng([1, images])
        about = np.sort(rng.choice(images, count, replace=False))
        shared = self.take(about)[:, : self.shared]
        noise = rng.standard_normal((count, self.shared)) * self._spread
        made = np.sqrt(TEXT_SHARE) * _unit(shared) + np.sqrt(1 - TEXT_SHARE) * _unit(noise)
        return np.pad(_unit(made), ((0, 0), (0, self.dim - self.shared))).astype(np.float32)

    def _chunk(self, number: int | np.integer) -> Embedding:
        rng = np.random.default_rng([0, int(number)])
        cluster = rng.choice(CLUSTERS, CHUNK, p=self._often)
        shared = self._shared_centres[cluster] + np.sqrt(1 - sum(SHARED_SHARES)) * rng.standard_normal(
            (CHUNK, self.shared), np.float32
        )
        vectors = _unit(shared * self._spread.astype(np.float32))
        if self.dim > self.shared:
            own = self._own_centres[cluster] + np.sqrt(1 - sum(OWN_SHARES)) * rng.standard_normal(
                (CHUNK, self.dim - self.shared), np.float32
            )
            vectors = _unit(np.concatenate([vectors, VISUAL_WEIGHT * _unit(own)], axis=1))
        return vectors.astype(np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

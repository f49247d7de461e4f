"""Hubs: images that are near to whatever is asked (Radovanović et al., JMLR 2010).

Which images those are is told by a bank of texts that people write of photos (querybank normalisation, Bogolin et al.,
CVPR 2022; the mean of the nearest as in CSLS, Conneau et al., ICLR 2018). A codebook stands for all of them.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from revln.errors import BundleError
from revln.models.bundle import QUERYBANK, Bundle
from revln.models.vectors import unit_rows
from revln.types import Embedding

__all__ = ["Querybank"]

_NEAREST = 10
_ARRAY = "texts"


class Querybank:
    """Texts in the joint space.

    Args:
        texts: unit rows [m, shared dim]; the part of the space that images share with texts is all that texts use.
    """

    def __init__(self, texts: Embedding) -> None:
        self.texts = texts

    def hubness(self, images: Embedding) -> Embedding:
        """Mean cosine [n] of each image [n, dim] to the texts that are nearest to it."""
        cosines = images[:, : self.texts.shape[1]] @ self.texts.T
        count = min(_NEAREST, len(self.texts))
        nearest: Embedding = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
        return nearest

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> Querybank | None:
        """Reads what ``save`` has put into a bundle; None if it has no such file.

        Raises:
            BundleError: the file is damaged or of another space.
        """
        if not bundle.has(QUERYBANK):
            return None
        try:
            with np.load(bundle.file(QUERYBANK), allow_pickle=False) as arrays:
                codes = arrays[_ARRAY]
            dim = bundle.card.text.dim or bundle.card.dim
            if codes.ndim != 2 or not len(codes) or codes.shape[1] != dim:
                raise ValueError(f"texts are not of {dim} dimensions")
            return cls(unit_rows(codes))
        except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise BundleError(f"{bundle.directory / QUERYBANK}: cannot be used: export the bundle again") from error

    def save(self, directory: Path) -> None:
        """Writes the texts, 8 bits for a number: their length is known."""
        codes = np.round(self.texts / np.abs(self.texts).max(axis=1, keepdims=True) * 127).astype(np.int8)
        np.savez_compressed(directory / QUERYBANK, allow_pickle=False, **{_ARRAY: codes})

"""A model in use: a bundle's encoder with whole lists of files, images and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from revln.images import open_image, to_rgb
from revln.models.bundle import Bundle
from revln.models.card import Card
from revln.models.encoder import BundleEncoder
from revln.models.parallel import map_ordered
from revln.models.registry import open_bundle
from revln.models.verification import verify_bundle
from revln.types import Embedding, ImageEncoding

__all__ = ["ImageLike", "Model", "load_model"]

ImageLike = str | Path | Image.Image | npt.NDArray[np.uint8]
_TEXTS = 64


class Model:
    """Encodes images and texts into one space.

    Attributes:
        encoder: the towers.
    """

    def __init__(self, encoder: BundleEncoder) -> None:
        """Use ``load_model``."""
        self.encoder = encoder

    @property
    def bundle(self) -> Bundle:
        """Where the model lies."""
        return self.encoder.bundle

    @property
    def card(self) -> Card:
        """What the model says about itself."""
        return self.encoder.card

    @property
    def id(self) -> str:
        """Name, version and hash; memories remember it."""
        return self.card.id

    @property
    def dim(self) -> int:
        """Width of the joint space."""
        return self.card.dim

    def encode_images(self, images: Sequence[ImageLike]) -> Embedding:
        """Unit rows [n, dim] of image files, PIL images or RGB arrays [h, w, 3].

        Raises:
            ImageError: a file cannot be read.
            BundleError: the model is damaged.
        """
        rows = np.zeros((len(images), self.dim), dtype=np.float32)
        for index, encoding in enumerate(self.look(images)):
            rows[index] = encoding.embeddings[0]
        return rows

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Unit rows [n, dim] of sentences, in the same space.

        Raises:
            BundleError: the model is damaged.
        """
        # Like lengths together, so that no chunk is mostly padding.
        order = np.array(sorted(range(len(texts)), key=lambda index: len(texts[index])), dtype=np.int64)
        chunks = [order[start : start + _TEXTS] for start in range(0, len(order), _TEXTS)]
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        encoded = map_ordered(lambda chunk: self.encoder.encode_texts([texts[index] for index in chunk]), chunks)
        for chunk, vectors in zip(chunks, encoded, strict=True):
            rows[chunk] = vectors
        return rows

    def look(self, images: Sequence[ImageLike]) -> Iterator[ImageEncoding]:
        """Embedding and class logits of each image, in order, one row each."""
        self.encoder.warm_up()
        return map_ordered(self._look_at, images)

    def verify(self) -> list[str]:
        """Replays the golden inputs; a list of what is wrong, empty when all is well."""
        return verify_bundle(self.encoder)

    def _look_at(self, image: ImageLike) -> ImageEncoding:
        if isinstance(image, str | Path):
            opened = open_image(image, min_side=self.encoder.transform.min_side)
        else:
            opened = to_rgb(image if isinstance(image, Image.Image) else Image.fromarray(image))
        return self.encoder.encode_pixels(self.encoder.transform(opened)[None])


def load_model(name_or_directory: str | Path = "base") -> Model:
    """Opens a bundle: one that ships, one of the user's store, or a directory.

    Raises:
        BundleError: there is no such bundle, or it is damaged.
    """
    return Model(BundleEncoder(open_bundle(name_or_directory)))

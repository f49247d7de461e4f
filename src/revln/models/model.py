"""A model in use: a bundle's encoder with whole lists of files, images and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from revln.errors import BundleError, ImageError
from revln.images import open_image, to_rgb
from revln.models.bundle import Bundle
from revln.models.card import Card
from revln.models.encoder import BundleEncoder
from revln.models.generator import BundleGenerator
from revln.models.parallel import cores, map_ordered
from revln.models.registry import open_bundle
from revln.models.vectors import unit_rows
from revln.models.verification import verify_bundle
from revln.types import Embedding, ImageEncoding

__all__ = ["ImageLike", "Model", "load_model", "open_rgb"]

ImageLike = str | Path | Image.Image | npt.NDArray[np.uint8]
_TEXTS = 64  # at once on a core
_FEWEST = 8  # that are worth a core of their own
_NAME_TEMPLATES = ("{}", "a photo of a {}")


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

    @cached_property
    def generator(self) -> BundleGenerator | None:
        """What describes images; None if the model has nothing that does."""
        return BundleGenerator(self.bundle) if self.card.generator else None

    def shared(self, embeddings: Embedding) -> Embedding:
        """The part of embeddings [n, dim] that images share with texts, unit rows [n, shared dim]."""
        return unit_rows(embeddings[:, : self.card.text.dim])

    def hubness(self, embeddings: Embedding) -> Embedding:
        """How near images [n, dim] are to all kinds of texts [n], as a cosine; 0 for all where the bundle cannot tell.

        Raises:
            BundleError: the model is damaged.
        """
        bank = self.encoder.querybank
        return np.zeros(len(embeddings), np.float32) if bank is None else bank.hubness(embeddings)

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
        if len(texts) <= _FEWEST:
            return self.encoder.encode_texts(texts)
        # Like lengths together, so that no chunk is mostly padding; a chunk a core at a time.
        order = np.array(sorted(range(len(texts)), key=lambda index: len(texts[index])), dtype=np.int64)
        size = max(_FEWEST, min(_TEXTS, -(-len(texts) // cores())))
        chunks = [order[start : start + size] for start in range(0, len(order), size)]
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        encoded = map_ordered(lambda chunk: self.encoder.encode_texts([texts[index] for index in chunk]), chunks)
        for chunk, vectors in zip(chunks, encoded, strict=True):
            rows[chunk] = vectors
        return rows

    def encode_names(self, names: Sequence[str]) -> Embedding:
        """Unit rows [n, dim] of class names: the mean over a few ways to put them (Radford et al., 2021, 3.1.4)."""
        plain = [name.replace("_", " ") for name in names]
        rows = np.zeros((len(plain), self.dim), dtype=np.float32)
        for template in _NAME_TEMPLATES:
            rows += self.encode_texts([template.format(name) for name in plain])
        return unit_rows(rows)

    @cached_property
    def class_vectors(self) -> Embedding:
        """Unit rows [classes, dim] of the first names of the vision model's own classes."""
        return self.encode_names([names[0] for names in self.encoder.classes])

    def look(self, images: Sequence[ImageLike]) -> Iterator[ImageEncoding]:
        """Embedding and class logits of each image, in order, one row each; see ``encode_images``."""
        for seen in self.try_look(images):
            if isinstance(seen, ImageError):
                raise seen
            yield seen

    def try_look(self, images: Sequence[ImageLike]) -> Iterator[ImageEncoding | ImageError]:
        """The same, with the reason in the place of each image that cannot be read."""
        self.encoder.warm_up()
        return map_ordered(self._try_look_at, images)

    def verify(self) -> list[str]:
        """Replays the golden inputs; a list of what is wrong, empty when all is well."""
        problems = verify_bundle(self.encoder)
        for part in (lambda: self.generator, lambda: self.encoder.querybank):
            try:
                part()
            except BundleError as error:
                problems.append(str(error))
        return problems

    def _try_look_at(self, image: ImageLike) -> ImageEncoding | ImageError:
        try:
            return self._look_at(image)
        except ImageError as error:
            return error

    def _look_at(self, image: ImageLike) -> ImageEncoding:
        rgb = open_rgb(image, self.encoder.transform.min_side)
        return self.encoder.encode_pixels(self.encoder.transform(rgb)[None])


def open_rgb(image: ImageLike, min_side: int | None = None) -> Image.Image:
    """An image upright and in RGB.

    Args:
        image: a file, PIL image or RGB array.
        min_side: lets a JPEG be decoded at a reduced scale that keeps both sides at least this long.

    Raises:
        ImageError: it cannot be read.
    """
    return open_image(image, min_side=min_side) if isinstance(image, str | Path) else _rgb(image)


def _rgb(image: Image.Image | npt.NDArray[np.uint8]) -> Image.Image:
    """An image that is in memory already, upright as files are read."""
    if isinstance(image, Image.Image):
        try:
            return to_rgb(ImageOps.exif_transpose(image))
        except (OSError, ValueError, SyntaxError) as error:  # Pillow reads an opened file's pixels only now
            raise ImageError("image", str(error)) from error
    if image.dtype != np.uint8 or image.ndim not in {2, 3} or 0 in image.shape:
        raise ImageError("array", f"shape {image.shape} of {image.dtype}, not [height, width, 3] of uint8")
    try:
        return to_rgb(Image.fromarray(image))
    except TypeError as error:  # a number of channels that no image has
        raise ImageError("array", f"shape {image.shape}, not [height, width, 3]") from error


def load_model(name_or_directory: str | Path = "base") -> Model:
    """Opens a bundle: one that ships or lies in the user's store, by its name or id; or a directory.

    Raises:
        BundleError: there is no such bundle, or it is damaged.
    """
    return Model(BundleEncoder(open_bundle(name_or_directory)))

"""Golden inputs: a bundle's recorded outputs, replayed to see that it still gives them on this machine."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from revln.errors import BundleError
from revln.images import open_image
from revln.models.bundle import GOLDEN
from revln.models.encoder import BundleEncoder
from revln.types import Embedding

__all__ = ["verify_bundle", "write_golden"]

_TOLERANCE = 1e-3  # cosine distance; processors differ in the order of their sums


def write_golden(encoder: BundleEncoder, photos: Sequence[Path], sentences: Sequence[str], directory: Path) -> None:
    """Records what a model gives for photos that may be shipped and for sentences."""
    pixels = np.stack([encoder.transform(open_image(photo)) for photo in photos])
    np.savez_compressed(
        directory / GOLDEN,
        pixels=pixels,
        image_embeddings=encoder.encode_pixels(pixels).embeddings,
        sentences=np.array(sentences),
        text_embeddings=encoder.encode_texts(sentences),
    )


def verify_bundle(encoder: BundleEncoder) -> list[str]:
    """Checks every file's hash and replays the golden inputs.

    Returns:
        What is wrong, one sentence each; empty when all is well.
    """
    bundle = encoder.bundle
    problems = []
    for name in bundle.card.files:
        try:
            bundle.file(name)
        except BundleError as error:
            problems.append(str(error))
    if problems or not bundle.has(GOLDEN):
        return problems
    try:
        with np.load(bundle.file(GOLDEN), allow_pickle=False) as golden:
            pixels, sentences = golden["pixels"], golden["sentences"].tolist()
            recorded = {"image": golden["image_embeddings"], "text": golden["text_embeddings"]}
        replayed = {"image": encoder.encode_pixels(pixels).embeddings, "text": encoder.encode_texts(sentences)}
    except BundleError as error:
        return [str(error)]
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        return [f"{bundle.directory / GOLDEN}: holds no golden inputs ({error}): export the bundle again"]
    for tower, found in replayed.items():
        distance = _distance(found, recorded[tower])
        if not distance <= _TOLERANCE:
            problems.append(
                f"{bundle.directory}: the {tower} tower gives other vectors than recorded (cosine distance "
                f"{distance:.4f}): upgrade onnxruntime or report this processor"
            )
    return problems


def _distance(found: Embedding, recorded: Embedding) -> float:
    """Largest cosine distance between two lists of unit rows [n, dim]; infinite when they are not comparable."""
    if found.shape != recorded.shape:
        return math.inf
    return float((1 - (found * recorded).sum(axis=1)).max(initial=0.0))

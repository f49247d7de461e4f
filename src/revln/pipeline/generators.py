"""The generator of a model, and what it looks at."""

from __future__ import annotations

from revln.errors import BundleError
from revln.models import BundleGenerator, Model
from revln.types import Embedding, ImageEncoding

__all__ = ["generator_of", "grid_of"]


def generator_of(model: Model) -> BundleGenerator:
    """The generator of a model.

    Raises:
        BundleError: it has none.
    """
    if model.generator is None:
        raise BundleError(
            f"the model {model.id} has no generator, so it cannot describe photos: use one that has, such as base, "
            "or train one with revln train joint"
        )
    return model.generator


def grid_of(seen: ImageEncoding, model: Model) -> Embedding:
    """What the image tower of a model sees at each place [n, places, channels].

    Raises:
        BundleError: it does not tell.
    """
    if seen.grid is None:
        raise BundleError(f"{model.bundle.directory}: its image tower gives no grid: export the bundle again")
    return seen.grid

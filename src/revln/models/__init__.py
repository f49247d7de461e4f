"""Model bundles: cards, files, encoders, calibration."""

from __future__ import annotations

from revln.models.bundle import Bundle
from revln.models.calibration import BackgroundCalibration
from revln.models.card import Card
from revln.models.encoder import BundleEncoder
from revln.models.generator import BundleGenerator
from revln.models.importing import import_bundle
from revln.models.memory_calibration import MemoryCalibration
from revln.models.model import ImageLike, Model, load_model, open_rgb
from revln.models.parallel import cores, map_ordered
from revln.models.querybank import Querybank
from revln.models.registry import find_bundle, keep_bundle, list_bundles, open_bundle

__all__ = [
    "BackgroundCalibration",
    "Bundle",
    "BundleEncoder",
    "BundleGenerator",
    "Card",
    "ImageLike",
    "MemoryCalibration",
    "Model",
    "Querybank",
    "cores",
    "find_bundle",
    "import_bundle",
    "keep_bundle",
    "list_bundles",
    "load_model",
    "map_ordered",
    "open_bundle",
    "open_rgb",
]

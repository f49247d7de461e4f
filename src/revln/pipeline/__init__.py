"""The public façade: the only layer that knows the concrete classes of the others."""

from __future__ import annotations

from revln.models import Model, load_model
from revln.pipeline.captioning import caption, caption_all
from revln.pipeline.classification import classify, classify_all
from revln.pipeline.indexing import Progress, index, index_source
from revln.pipeline.memory import Memory

__all__ = [
    "Memory",
    "Model",
    "Progress",
    "caption",
    "caption_all",
    "classify",
    "classify_all",
    "index",
    "index_source",
    "load_model",
]

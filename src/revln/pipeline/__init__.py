"""The public façade: the only layer that knows the concrete classes of the others."""

from __future__ import annotations

from revln.models import Model, load_model
from revln.pipeline.asking import Asked, Asker, ask, ask_all
from revln.pipeline.captioning import caption, caption_all
from revln.pipeline.classification import classify, classify_all
from revln.pipeline.describing import describe
from revln.pipeline.indexing import Progress, index, index_source
from revln.pipeline.memory import Memory

__all__ = [
    "Asked",
    "Asker",
    "Memory",
    "Model",
    "Progress",
    "ask",
    "ask_all",
    "caption",
    "caption_all",
    "classify",
    "classify_all",
    "describe",
    "index",
    "index_source",
    "load_model",
]

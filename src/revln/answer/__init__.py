"""From evidence to answers. Pure functions over vectors and hits; knows no model and no store."""

from __future__ import annotations

from revln.answer.classify import ClassificationSources, LabelSet, Neighbours, decide, fuse

__all__ = ["ClassificationSources", "LabelSet", "Neighbours", "decide", "fuse"]

"""Larger models that write captions and answers in the place of a bundle's own generator, only where asked for."""

from __future__ import annotations

from revln.bridge.opening import open_writer

__all__ = ["open_writer"]

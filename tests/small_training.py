"""A configuration of `revln train align` that learns a few colours in seconds; tests of training share it."""

from __future__ import annotations

from revln.train.config import AlignConfig

COLOURS = AlignConfig(
    name="colours",
    vision="lite0",
    image_size=64,
    dim=16,
    visual_dim=8,
    hidden=16,
    views=2,
    epochs=4,
    batch_size=8,
    head_rate=5e-3,
    prototypes=8,
    ema=0.5,
)

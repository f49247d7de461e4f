"""Training that goes on from a bundle with one's own photos: what is held out, and settings that fit their number."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from revln.errors import InputError
from revln.sources import read_captions
from revln.train.checkpoint import replacing
from revln.train.config import AlignConfig
from revln.train.pairs import AlignData

__all__ = ["fitting_config", "own_data"]

_FEWEST = 20  # photos
_HELD_OUT = 0.1
_HELD_OUT_RANGE = (10, 1000)
_STEPS = 240  # of the whole training, at least
_BATCH = 256
_VIEWS = {2_000: 6, 20_000: 3}  # up to so many photos; each view of a photo takes 25 ms of a core


def own_data(captions: Path, run: Path) -> AlignData:
    """Photos that a caption file names, by their path from its folder; some are held out.

    Which ones follows from their names, so that it stays the same when photos are added; ``train.txt`` and ``dev.txt``
    in the directory of the run list them.

    Args:
        captions: CSV with the columns image and caption, or what else ``read_captions`` takes.
        run: directory of the run, made when missing.

    Raises:
        CaptionFileError: the file cannot be used.
        InputError: it names too few photos.
        TrainingError: the directory cannot be written.
    """
    names = list(read_captions(captions))
    if len(names) < _FEWEST:
        raise InputError(f"{captions}: names {len(names)} photos: give at least {_FEWEST}, better 200")
    shuffled = sorted(names, key=lambda name: hashlib.blake2b(name.encode()).digest())
    least, most = _HELD_OUT_RANGE
    held_out = set(shuffled[: min(max(round(_HELD_OUT * len(names)), least), most)])
    run.mkdir(parents=True, exist_ok=True)
    parts = {"train.txt": [name for name in names if name not in held_out], "dev.txt": sorted(held_out)}
    for file, own in parts.items():
        with replacing(run / file) as draft:
            draft.write_text("".join(f"{name}\n" for name in own), encoding="utf-8")
    return AlignData(captions.parent, {"en": captions}, run / "train.txt", run / "dev.txt")


def fitting_config(made_with: AlignConfig, photos: int, name: str) -> AlignConfig:
    """Settings for so many photos, of the architecture that a bundle has.

    Slow rates, and much weight on what the bundle knew: what is new has to find its place beside it.

    Args:
        made_with: configuration of the bundle.
        photos: to train on.
        name: of what is made.
    """
    batch = min(_BATCH, photos)
    return dataclasses.replace(
        made_with,
        name=name,
        version="1",
        vision_blocks=0,
        captions=1,
        loss="infonce",
        translation_weight=0.0,
        views=next((views for most, views in _VIEWS.items() if photos <= most), 1),
        epochs=max(3, -(-_STEPS * batch // photos)),
        batch_size=batch,
        head_rate=3e-4,
        text_rate=3e-5,
        prototypes=256,
        prototype_weight=0.1,
        words=256,
        word_weight=4.0,
        keep_weight=4.0,
        clip=1.0,
    )

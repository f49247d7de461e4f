"""Training that goes on from a bundle with one's own photos: what is held out, and settings that fit their number."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

from revln.errors import ConfigError, InputError
from revln.sources import read_captions
from revln.train.checkpoint import replacing
from revln.train.config import AlignConfig, load_config
from revln.train.pairs import AlignData
from revln.train.run_directory import CHECKPOINT

__all__ = ["fitting_config", "own_data", "with_changes"]

_FEWEST = 100  # photos: the features that stand for classes are drawn within what these span
_HELD_OUT = 0.1
_HELD_OUT_RANGE = (10, 1000)
_PASSES = 3  # over the photos, at least
_STEPS = 240  # of the whole training, at least
_EPOCHS = 6  # after each of which it is measured, at most
_BATCH = 256
_VIEWS = {2_000: 6, 20_000: 3}  # up to so many photos; each view of a photo takes 25 ms of a core
_UNLIKE_A_NAME = re.compile(r"[^\w.+-]+")
_FIXED = (  # by the weights of the bundle
    "vision",
    "image_size",
    "max_aspect",
    "vision_blocks",
    "dim",
    "visual_dim",
    "visual_weight",
    "hidden",
    "text",
    "text_layers",
    "languages",
    "start",
)


def own_data(captions: Path, run: Path) -> AlignData:
    """Photos that a caption file names, by their path from its folder; some are held out.

    Which ones follows from their names alone, so that photos that are added later change nothing for the others, but
    for the least and the most that are held out. ``train.txt`` and ``dev.txt`` in the directory of the run list them;
    where a run is already, those are kept.

    Args:
        captions: CSV with the columns image and caption, or what else ``read_captions`` takes.
        run: directory of the run, made when missing.

    Raises:
        CaptionFileError: the file cannot be used.
        InputError: it names too few photos.
        TrainingError: the directory cannot be written.
    """
    data = AlignData(captions.parent, {"en": captions}, run / "train.txt", run / "dev.txt")
    names = list(read_captions(captions))
    if len(names) < _FEWEST:
        raise InputError(f"{captions}: names {len(names)} photos: give at least {_FEWEST}, better 200")
    if (run / CHECKPOINT).exists():
        return data
    shuffled = sorted(names, key=_drawn)
    least, most = _HELD_OUT_RANGE
    held_out = set(shuffled[: min(max(sum(_drawn(name) < _HELD_OUT for name in names), least), most)])
    run.mkdir(parents=True, exist_ok=True)
    for file, own in {data.train: [name for name in names if name not in held_out], data.dev: sorted(held_out)}.items():
        with replacing(file) as draft:
            draft.write_text("".join(f"{name}\n" for name in own), encoding="utf-8")
    return data


def _drawn(name: str) -> float:
    """A number from 0 to 1 that looks random."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64


def fitting_config(made_with: AlignConfig, photos: int, out: Path, start: str) -> AlignConfig:
    """Settings for so many photos, of the architecture that a bundle has.

    Slow rates, and much weight on what the bundle knew: what is new has to find its place beside it.

    Args:
        made_with: configuration of the bundle.
        photos: to train on.
        out: directory of the run, which gives the new bundle its name.
        start: id of the bundle.
    """
    batch = min(_BATCH, photos)
    passes = max(_PASSES, -(-_STEPS // max(1, photos // batch)))
    epochs = min(_EPOCHS, passes)
    return dataclasses.replace(
        made_with,
        name=_UNLIKE_A_NAME.sub("-", out.resolve().name).strip(".+-") or "own",
        version="1",
        captions=1,
        loss="infonce",
        translation_weight=0.0,
        views=next((views for most, views in _VIEWS.items() if photos <= most), 1),
        epochs=epochs,
        passes=-(-passes // epochs),
        batch_size=batch,
        head_rate=3e-4,
        text_rate=3e-5,
        layer_decay=1.0,
        prototypes=256,
        prototype_weight=0.1,
        words=256,
        word_weight=4.0,
        keep_weight=4.0,
        start_share=0.5,
        clip=1.0,
        start=start,
    )


def with_changes(config: AlignConfig, path: Path) -> AlignConfig:
    """A configuration with what a TOML file says otherwise.

    Raises:
        ConfigError: the file cannot be used, or says otherwise what the bundle's weights have settled.
    """
    changed = load_config(path, config)
    for name in _FIXED:
        if getattr(changed, name) != getattr(config, name):
            raise ConfigError(
                f"{path}: {name} = {getattr(changed, name)!r}: the model to go on from has {getattr(config, name)!r}: "
                "leave it out"
            )
    return changed

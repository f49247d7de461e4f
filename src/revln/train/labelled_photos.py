"""Photos whose folders are their labels, and which of them are held out."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from revln.errors import ImageError, InputError
from revln.images import open_image
from revln.sources import FolderSource
from revln.train.progress import Progress
from revln.types import Candidate, Skipped

__all__ = ["LabelledPhotos"]

log = logging.getLogger("revln.train")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhotos:
    """Photos with one label each.

    Attributes:
        folder: absolute path of the folder that they lie in.
        labels: all labels, by name.
        names: of the photos, by path below the folder.
        owners: index [n] of each photo's label.
    """

    folder: Path
    labels: tuple[str, ...]
    names: tuple[str, ...]
    owners: npt.NDArray[np.int64]

    @classmethod
    def in_folder(cls, folder: Path, limit: int | None = None) -> LabelledPhotos:
        """The photos in sub-folders, whose names are the labels; underscores in them stand for spaces.

        Each photo is read once to see that it can be: those that cannot are named in the log and left out.

        Args:
            folder: with one sub-folder a label.
            limit: take only the first so many photos of each label.

        Raises:
            InputError: the folder is missing, there are fewer than two labels, or fewer than two photos of one.
        """
        folder = folder.resolve()
        found: dict[str, list[Path]] = defaultdict(list)
        for entry in FolderSource([folder], labels_from_folders=True).scan():
            if isinstance(entry, Skipped):
                log.warning("%s: %s: left out", entry.path, entry.reason)
            elif isinstance(entry, Candidate) and entry.label is not None:
                found[entry.label].append(entry.path)
        if len(found) < 2:
            raise InputError(
                f"{folder}: photos of {len(found)} labels in its sub-folders: put those of each label into a folder of "
                "its name, for at least two labels"
            )
        labels = tuple(sorted(found))
        paths = [path for label in labels for path in found[label][:limit]]
        owners = np.repeat(np.arange(len(labels)), [len(found[label][:limit]) for label in labels])
        readable = _readable(paths)
        counts = np.bincount(owners[readable], minlength=len(labels))
        if counts.min() < 2:
            raise InputError(
                f"{folder}: photos of {labels[counts.argmin()]!r} that can be read: {counts.min()}: give at least two "
                "of each label, one to train on and one to measure on"
            )
        names = tuple(path.relative_to(folder).as_posix() for path in paths)
        return cls(folder, labels, names, owners)._where(readable)

    @property
    def paths(self) -> list[Path]:
        """Where the photos are."""
        return [self.folder / name for name in self.names]

    def split(self, share: float, seed: int) -> tuple[LabelledPhotos, LabelledPhotos]:
        """Photos to train on and photos to measure on, drawn from each label; at least one of it for either.

        Args:
            share: of each label that is held out.
            seed: of the draw.
        """
        rng, held_out = np.random.default_rng(seed), np.zeros(len(self.names), np.bool_)
        for label in range(len(self.labels)):
            own = rng.permutation(np.flatnonzero(self.owners == label))
            held_out[own[: min(max(1, round(share * len(own))), len(own) - 1)]] = True
        return self._where(~held_out), self._where(held_out)

    def _where(self, chosen: npt.NDArray[np.bool_]) -> LabelledPhotos:
        names = tuple(self.names[place] for place in np.flatnonzero(chosen))
        return LabelledPhotos(self.folder, self.labels, names, self.owners[chosen])


def _readable(paths: Sequence[Path]) -> npt.NDArray[np.bool_]:
    """Which photos [n] can be read; the log names the others."""
    progress = Progress("photos read", len(paths))

    def damage(path: Path) -> str | None:
        try:
            open_image(path, min_side=1)  # at the smallest scale: the whole file is read, in less time
        except ImageError as error:
            return error.reason
        finally:
            progress.advance()
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = list(pool.map(damage, paths))
    for path, reason in zip(paths, reasons, strict=True):
        if reason:
            log.warning("%s: %s: left out", path, reason)
    if lost := sum(reason is not None for reason in reasons):
        log.warning("%d of %d photos cannot be read and are left out", lost, len(paths))
    return np.array([reason is None for reason in reasons])

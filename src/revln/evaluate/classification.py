"""Classification of folders of photos whose names are the right answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revln.config import NEIGHBOURS
from revln.errors import InputError
from revln.models import Model
from revln.pipeline import Memory, classify_all
from revln.sources import FolderSource
from revln.types import Candidate, Skipped

__all__ = ["ClassificationScores", "evaluate_classification"]


@dataclass(frozen=True, slots=True)
class ClassificationScores:
    """How often the first answer was right.

    Attributes:
        accuracy: in percent, over all images.
        per_label: in percent, over the images of each label.
        images: how many took part.
        counts: images of each label.
    """

    accuracy: float
    per_label: Mapping[str, float]
    images: int
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"accuracy": self.accuracy, "per_label": dict(self.per_label), "images": self.images}


def evaluate_classification(
    directory: str | Path,
    *,
    memory: Memory | None = None,
    labels: Sequence[str] | None = None,
    model: Model | str | Path | None = None,
    k: int = NEIGHBOURS,
    progress: Callable[[int, int], None] | None = None,
) -> ClassificationScores:
    """Classifies every photo below a folder, whose sub-folders are the labels.

    Args:
        directory: with one sub-folder a label; underscores in its name stand for spaces.
        memory: records that have a say.
        labels: classes to choose from; the memory's own if not given, or without a memory the sub-folders.
        model: encodes the photos; the memory's own if not given.
        k: how many records have a say.
        progress: called with the photos done and the photos in all.

    Raises:
        InputError: there are no labelled photos, one cannot be read, or a sub-folder is none of the labels.
    """
    photos = _labelled(Path(directory))
    if labels is None and memory is None:
        labels = sorted(set(photos.values()))
    if labels is not None:
        _check_possible(photos.values(), labels)
    answers = classify_all(list(photos), memory=memory, labels=labels, model=model, k=k, progress=progress)
    right: Counter[str] = Counter()
    for truth, answer in zip(photos.values(), answers, strict=True):
        right[truth] += _same(truth, answer.text)
    counts = Counter(photos.values())
    return ClassificationScores(
        accuracy=_percent(right.total(), counts.total()),
        per_label={label: _percent(right[label], count) for label, count in sorted(counts.items())},
        images=counts.total(),
        counts=dict(sorted(counts.items())),
    )


def _labelled(directory: Path) -> dict[Path, str]:
    """Photos and their labels, in a stable order."""
    photos: dict[Path, str] = {}
    for found in FolderSource([directory], labels_from_folders=True).scan():
        if isinstance(found, Skipped):
            raise InputError(f"{found.path}: {found.reason}: repair it or move it away")
        if isinstance(found, Candidate) and found.label is not None:
            photos[found.path] = found.label
    if not photos:
        raise InputError(f"{directory}: no photos in sub-folders: put those of each label into a folder of its name")
    return photos


def _check_possible(truths: Iterable[str], labels: Sequence[str]) -> None:
    known = {_plain(label) for label in labels}
    if strange := sorted({truth for truth in truths if _plain(truth) not in known}):
        raise InputError(f"the folders {', '.join(strange)} are none of the labels: add them, or leave --labels out")


def _same(truth: str, answer: str) -> bool:
    return _plain(truth) == _plain(answer)


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)

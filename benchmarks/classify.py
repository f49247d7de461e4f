"""What each witness is worth in a classification, and what they are worth together.

A fifth of a folder of class folders is held out; a memory of the rest, of 20 photos a class and of 5 a class tells
its labels. Each held-out photo is classified by the CNN's own classes alone, by the names of the labels alone, by the
labelled neighbours alone, and by all three fused, which is what ``revln classify`` answers. Means over five draws of
held-out part and memory; accuracy in percent.

    python benchmarks/classify.py CLASS_FOLDERS

Takes about four minutes for 2,670 small photos on two cores.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

import revln
from common import class_folders, finish, hold_out, parser
from revln.answer import fuse
from revln.config import NEIGHBOURS
from revln.pipeline.classification import Classifier
from revln.types import ImageEncoding

WITNESSES = ("classes", "text", "memory", "fused")
NAMES = {"classes": "CNN classes", "text": "label texts", "memory": "memory", "fused": "fused"}


def remember(photos: Sequence[tuple[Path, str]], model: revln.Model, scratch: Path) -> revln.Memory:
    """A memory of labelled photos, made as a user would make it."""
    for number, (photo, label) in enumerate(photos):
        folder = scratch / "photos" / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}{photo.suffix}").symlink_to(photo.absolute())
    memory = revln.Memory.open(scratch / "memory.revln", model=model)
    revln.index([scratch / "photos"], memory=memory, labels_from_folders=True)
    return memory


def accuracies(
    classifier: Classifier, held_out: Sequence[tuple[Path, str]], seen: Mapping[Path, ImageEncoding]
) -> dict[str, float]:
    """Accuracy of each witness, and of all."""
    right: dict[str, int] = dict.fromkeys(WITNESSES, 0)
    for photo, truth in held_out:
        neighbours = classifier.neighbours(seen[photo].embeddings[0])
        sources = classifier.sources(seen[photo], neighbours)
        said = {name: getattr(sources, name) for name in WITNESSES[:3]}
        said["fused"] = fuse(sources, classifier.label_set)[0]
        for name, distribution in said.items():
            if distribution is not None:
                right[name] += classifier.labels[int(np.argmax(distribution))] == truth
    return {name: 100 * count / len(held_out) for name, count in right.items()}


def few(photos: Sequence[tuple[Path, str]], each: int | None) -> list[tuple[Path, str]]:
    """The first photos of each class; all when there is no limit."""
    taken: defaultdict[str, int] = defaultdict(int)
    kept = []
    for photo, label in photos:
        if each is None or taken[label] < each:
            taken[label] += 1
            kept.append((photo, label))
    return kept


def main() -> None:
    """Prints one row for each size of memory."""
    arguments = parser(__doc__)
    arguments.add_argument("classes", type=Path, help="folder of class folders")
    arguments.add_argument("--draws", type=int, default=5)
    arguments.add_argument("-k", "--neighbours", type=int, default=NEIGHBOURS, help="as revln classify has it")
    given = arguments.parse_args()
    model, classes = revln.load_model(given.model), class_folders(given.classes)
    photos = [photo for members in classes.values() for photo in members]
    seen = dict(zip(photos, model.look(photos), strict=True))
    results = {}
    print(f"{'memory':>12}", *(f"{NAMES[name]:>12}" for name in WITNESSES))
    for size, each in {"all the rest": None, "20 a class": 20, "5 a class": 5}.items():
        draws = []
        for seed in range(given.draws):
            held_out, rest = hold_out(classes, seed)
            with tempfile.TemporaryDirectory(prefix="revln-") as scratch:
                memory = remember(few(rest, each), model, Path(scratch))
                classifier = Classifier(model, memory, k=given.neighbours)
                draws.append(accuracies(classifier, held_out, seen))
        results[size] = {NAMES[name]: round(mean(draw[name] for draw in draws), 2) for name in WITNESSES}
        print(f"{size:>12}", *(f"{value:>12}" for value in results[size].values()), flush=True)
    finish("classify", model=model.id, photos=len(photos), classes=len(classes), draws=given.draws, accuracy=results)


if __name__ == "__main__":
    main()

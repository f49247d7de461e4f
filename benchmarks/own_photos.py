"""Training that goes on with 200 photos of things that the bundle has no names for, and what it costs elsewhere.

The photos are of flowers, 40 of each of five kinds, whose captions call them by invented words; all the other flowers
are the test: R@1 of captions (a caption finds a photo of its kind) and of photos, before and after. Beside it the
recall on the dev split of Flickr8k, before and after.

    python benchmarks/own_photos.py FLOWERS FLICKR8K [--model base]

Runs `revln train align --data own.csv --from base` as a user would. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import revln
from common import class_folders, finish, hold_out, parser
from revln.metrics import recall_at, retrieval_recall
from revln.models import Model
from revln.sources import read_captions, read_split

WORDS = ("zorple", "mibkess", "kessit", "lorband", "tandu")
CAPTIONS = ("a {} in bloom", "a close photo of a {}", "this is a {}", "a {} in the garden", "one more {}")
EACH = 40


def kinds(model: Model, photos: list[tuple[Path, str]], names: dict[str, str]) -> dict[str, float]:
    """R@1 among photos of all kinds: of each caption, and of each photo."""
    labels = sorted(names)
    texts = [caption.format(names[label]) for label in labels for caption in CAPTIONS]
    scores = model.encode_texts(texts) @ model.encode_images([path for path, _ in photos]).T
    shown = np.array([labels.index(label) for _, label in photos])
    asked = np.repeat(np.arange(len(labels)), len(CAPTIONS))
    return {
        "text_to_image_R@1": recall_at((shown[scores.argmax(1)] != asked).astype(int), (1,))["R@1"],
        "image_to_text_R@1": recall_at((asked[scores.argmax(0)] != shown).astype(int), (1,))["R@1"],
        "photos": len(photos),
    }


def dev_split(model: Model, folder: Path) -> dict[str, dict[str, float]]:
    """Recall on the dev split, by language."""
    photos = read_split(folder / "dev.txt")
    images = model.encode_images([folder / "images" / name for name in photos])
    results = {}
    for language in model.card.languages:
        file = folder / ("captions.txt" if language == "en" else f"captions.{language}.txt")
        said = read_captions(file)
        texts = [(row, text) for row, name in enumerate(photos) for text in said[name][:5]]
        found = retrieval_recall(
            images, model.encode_texts([text for _, text in texts]), np.array([row for row, _ in texts])
        )
        results[language] = {way: values["R@1"] for way, values in found.items()}
    return results


def main() -> None:
    """Trains, and measures before and after."""
    arguments = parser(__doc__)
    arguments.add_argument("flowers", type=Path)
    arguments.add_argument("flickr8k", type=Path)
    arguments.add_argument("--config", type=Path, help="settings that are to be different")
    given = arguments.parse_args()
    classes = class_folders(given.flowers)
    names = dict(zip(sorted(classes), WORDS, strict=True))
    taken, test = [], []
    for label, photos in classes.items():
        _, order = hold_out({label: photos}, seed=0, share=0.0)
        taken += order[:EACH]
        test += order[EACH:]
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        folder = Path(temporary)
        with (folder / "own.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image", "caption"])
            for number, (path, label) in enumerate(taken):
                rows.writerow([str(path.resolve()), CAPTIONS[number % len(CAPTIONS)].format(names[label])])
        revln_command = Path(sys.executable).with_name("revln")
        command = [revln_command, "train", "align", "--data", folder / "own.csv", "--from", given.model]
        command += ["--out", folder / "runs" / "own", "--json"]
        command += ["--config", given.config] if given.config else []
        done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True)
        run = json.loads(done.stdout)
        print("held out by the run:", run["before"], "->", run["metrics"], flush=True)
        models = {"before": revln.load_model(given.model), "after": revln.load_model(run["bundle"])}
        results = {
            when: {"kinds": kinds(model, test, names), "dev split": dev_split(model, given.flickr8k)}
            for when, model in models.items()
        }
    for when, numbers in results.items():
        print(when, numbers)
    finish("own_photos", seconds=run["seconds"], **results)


if __name__ == "__main__":
    main()

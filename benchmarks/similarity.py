"""Whether the joint space keeps what its parts knew: image to image and text to text, against the parts alone.

Image to image: mAP@10 of neighbours of the same class, photos of a held-out fifth (five draws) searched for among
the rest, by the bundle and by the pooled vectors of the CNN alone. Text to text: mAP@10 where the captions of one
photo are one class, every caption of the dev split searched for among the others, by the bundle and by MiniLM alone.

    python benchmarks/similarity.py CLASS_FOLDERS FLICKR8K

CLASS_FOLDERS holds a folder of photos a class; FLICKR8K holds ``captions.txt`` and ``dev.txt``. Needs the extra
``train``. Takes about two minutes on two cores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

import revln
from common import class_folders, finish, hold_out, parser
from revln.metrics import mean_average_precision
from revln.sources import read_captions, read_split
from revln.text import pad
from revln.train import efficientnet, minilm
from revln.train.features import Trunk, cached_features
from revln.train.progress import Progress
from revln.types import Embedding

CHUNK = 64


def unit(rows: Embedding) -> Embedding:
    """Rows of unit length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pooled(photos: Sequence[Path], model: revln.Model, variant: str) -> Embedding:
    """Pooled vectors of the CNN alone, over the same pixels as the bundle sees."""
    with tempfile.TemporaryDirectory(prefix="revln-") as cache:
        progress = Progress("CNN features", len(photos))
        trunk = Trunk(efficientnet.load_pretrained(variant), variant)
        features = cached_features(photos, trunk, model.encoder.transform, 0, Path(cache), progress)
        return unit(features.pooled.numpy())


@torch.inference_mode()
def sentences(texts: Sequence[str]) -> Embedding:
    """Sentence vectors of MiniLM alone."""
    encoder, tokenizer = minilm.load_pretrained().eval(), minilm.load_tokenizer()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    rows = np.zeros((len(texts), minilm.WIDTH), dtype=np.float32)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        encodings = tokenizer.encode_batch([texts[index] for index in chunk])
        ids, mask = pad([encoding.ids for encoding in encodings])
        rows[chunk] = encoder(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    return unit(rows)


def image_to_image(
    folder: Path, encoders: dict[str, Callable[[Sequence[Path]], Embedding]], draws: int
) -> dict[str, object]:
    """Means over the draws, and the draws themselves, for each encoder."""
    classes = class_folders(folder)
    photos = [photo for members in classes.values() for photo in members]
    rows = {photo: row for row, photo in enumerate(photos)}
    labels = np.repeat(np.arange(len(classes)), [len(members) for members in classes.values()])
    splits = [hold_out(classes, seed) for seed in range(draws)]
    result: dict[str, object] = {"photos": len(photos), "classes": len(classes)}
    for name, encode in encoders.items():
        vectors = encode(photos)
        scores = []
        for held_out, rest in splits:
            asked, stored = (np.array([rows[photo] for photo, _ in part]) for part in (held_out, rest))
            scores.append(mean_average_precision(vectors[asked], vectors[stored], labels[asked], labels[stored]))
        result[name] = {"mAP@10": round(float(np.mean(scores)), 2), "draws": scores}
    return result


def text_to_text(folder: Path, encoders: dict[str, Callable[[Sequence[str]], Embedding]]) -> dict[str, object]:
    """mAP@10 of each encoder."""
    captions = read_captions(folder / "captions.txt")
    names = read_split(folder / "dev.txt")
    texts = [text for name in names for text in captions[name]]
    owners = np.repeat(np.arange(len(names)), [len(captions[name]) for name in names])
    result: dict[str, object] = {"captions": len(texts)}
    for name, encode in encoders.items():
        vectors = encode(texts)
        result[name] = {"mAP@10": mean_average_precision(vectors, vectors, owners, owners, exclude_self=True)}
    return result


def main() -> None:
    """Runs both comparisons."""
    arguments = parser(__doc__)
    arguments.add_argument("classes", type=Path, help="folder of class folders")
    arguments.add_argument("captioned", type=Path, help="folder with captions.txt and dev.txt")
    arguments.add_argument("--cnn", default="lite2", help="variant of EfficientNet-Lite to compare with")
    arguments.add_argument("--draws", type=int, default=5)
    given = arguments.parse_args()
    model = revln.load_model(given.model)
    image = image_to_image(
        given.classes,
        {"bundle": model.encode_images, f"cnn {given.cnn}": lambda photos: pooled(photos, model, given.cnn)},
        given.draws,
    )
    print("image to image:", image, flush=True)
    text = text_to_text(given.captioned, {"bundle": model.encode_texts, "minilm": sentences})
    print("text to text:", text, flush=True)
    finish("similarity", model=model.id, image_to_image=image, text_to_text=text)


if __name__ == "__main__":
    main()

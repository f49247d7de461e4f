"""Whether a Chinese sentence and its English original find the same photo.

1,000 photos and a caption of each that was translated, both as queries: of the cases in which either finds its photo
first, the share in which both do; and how often both put the same photo first, right or wrong.

    python benchmarks/translations.py FLICKR8K [--model base]

The translations (`parallel.en-zh.txt`) are of the training split, so the photos were seen in training; recall on the
dev split is what `revln eval retrieval` gives for `captions.zh.txt`. Takes half a minute.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np

import revln
from common import finish, parser

PHOTOS = 1000


def main() -> None:
    """Measures."""
    arguments = parser(__doc__)
    arguments.add_argument("flickr8k", type=Path)
    given = arguments.parse_args()
    translated: dict[str, list[tuple[str, str]]] = {}
    with (given.flickr8k / "parallel.en-zh.txt").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            translated.setdefault(row["image"], []).append((row["en"], row["zh"]))
    rng = random.Random(0)
    names = rng.sample(sorted(translated), PHOTOS)
    pairs = [rng.choice(translated[name]) for name in names]
    model = revln.load_model(given.model)
    images = model.encode_images([given.flickr8k / "images" / name for name in names])
    english, chinese = ((model.encode_texts([pair[side] for pair in pairs]) @ images.T).argmax(1) for side in (0, 1))
    own = np.arange(PHOTOS)
    either, both = (english == own) | (chinese == own), (english == own) & (chinese == own)
    finish(
        "translations",
        english_R1=round(100 * float((english == own).mean()), 1),
        chinese_R1=round(100 * float((chinese == own).mean()), 1),
        both_of_either=round(100 * float(both.sum() / either.sum()), 1),
        same_photo_first=round(100 * float((english == chinese).mean()), 1),
    )


if __name__ == "__main__":
    main()

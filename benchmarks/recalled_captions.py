"""How good the captions are that a memory recalls, before any generator has read them.

The memory holds the training photos with their captions. For each dev photo: CIDEr of the caption recalled first, the
mean of the first eight and the best of them, for several weights of the two likenesses (of the photo to a record's
photo, and to its caption); and the consensus of the neighbours, the caption among those of the twenty nearest photos
that is most like the others (Devlin et al., 2015, arXiv 1505.04467), which a generator has to beat.

    python benchmarks/recalled_captions.py FLICKR8K

FLICKR8K holds ``images/``, ``captions.txt``, ``captions.zh.txt``, ``train.txt`` and ``dev.txt``. Takes about six
minutes on two cores.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import revln
from common import finish, parser
from revln.metrics import Cider, caption_scores
from revln.sources import read_captions, read_split
from revln.text import caption_tokens
from revln.types import Embedding

CAPTIONS = {"en": "captions.txt", "zh": "captions.zh.txt"}
WEIGHTS = ((20, 0), (0, 70), (20, 35), (20, 70), (20, 140))
RECALLED, NEIGHBOURS, EACH = 8, 20, 5


def best_of_each(scores: Embedding, starts: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Numbers [n, count] of the best captions, one of each photo; ``starts`` are those of the photos' first ones."""
    photos = np.argsort(-np.maximum.reduceat(scores, starts, axis=1), axis=1, kind="stable")[:, :count]
    ends = np.append(starts[1:], scores.shape[1])
    return np.array(
        [
            [starts[photo] + scores[row, starts[photo] : ends[photo]].argmax() for photo in own]
            for row, own in enumerate(photos)
        ]
    )


def consensus(likeness: Embedding, starts: npt.NDArray[np.int64], said: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """For each row the caption of the nearest photos that agrees most with the others."""
    ends, chosen = np.append(starts[1:], len(said)), []
    for photos in np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]:
        pool = [said[place] for photo in photos for place in range(starts[photo], ends[photo])]
        agreement = Cider([pool], corpus=[[caption] for caption in pool]).scores(pool, [0] * len(pool))
        chosen.append(pool[int(agreement.argmax())])
    return chosen


def main() -> None:
    """Prints the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    given = arguments.parse_args()
    model, results = revln.load_model(given.model), {}
    splits = {split: read_split(given.captioned / f"{split}.txt") for split in ("train", "dev")}
    train, dev = (model.encode_images([given.captioned / "images" / name for name in own]) for own in splits.values())
    for language, file in CAPTIONS.items():
        captions = read_captions(given.captioned / file)
        known = [place for place, name in enumerate(splits["train"]) if captions.get(name)]
        texts = [captions[splits["train"][place]][:EACH] for place in known]
        owners = np.repeat(np.arange(len(known)), [len(own) for own in texts])
        starts = np.searchsorted(owners, np.arange(len(known)))
        alike = dev @ train[known].T
        fitting = dev @ model.encode_texts([text for own in texts for text in own]).T
        said = [caption_tokens(text, language) for own in texts for text in own]
        references = [[caption_tokens(text, language) for text in captions[name][:EACH]] for name in splits["dev"]]
        measure, results[language] = Cider(references), {}
        for picture, text in WEIGHTS:
            places = best_of_each(picture * alike[:, owners] + text * fitting, starts, RECALLED)
            rows = np.repeat(np.arange(len(dev)), RECALLED).tolist()
            scores = 100 * measure.scores([said[place] for place in places.flat], rows).reshape(places.shape)
            figures = {"first": scores[:, 0].mean(), "mean": scores.mean(), "best": scores.max(1).mean()}
            results[language][f"{picture}, {text}"] = {name: round(float(value), 1) for name, value in figures.items()}
            print(language, picture, text, results[language][f"{picture}, {text}"], flush=True)
        likeness = 20 * alike + np.maximum.reduceat(70 * fitting, starts, axis=1)
        agreed = caption_scores(consensus(likeness, starts, said), references)
        results[language]["consensus"] = {name: round(value, 1) for name, value in agreed.items()}
        print(language, "consensus", results[language]["consensus"], flush=True)
    finish("recalled_captions", model=model.id, cider=results)


if __name__ == "__main__":
    main()

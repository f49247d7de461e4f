"""Whether photos are found by words that the captions of training hardly hold.

``synonyms.txt`` has a query a line, and after ``=`` the plain words for the same. The dev photos are ranked for the
query, and a photo fits when one of its captions holds one of the plain words. Precision@10 is the share of the first
ten photos that fit: of the query, and beside it of the first plain word asked for itself and of photos drawn at random.

    python benchmarks/synonyms.py FLICKR8K
    python benchmarks/synonyms.py FLICKR8K --language zh

FLICKR8K holds ``images/``, ``captions.txt`` and ``dev.txt``; for Chinese ``captions.zh.txt``. Takes about half a minute
on two cores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import revln
from common import finish, parser
from revln.sources import read_captions, read_split
from revln.types import Embedding

QUERIES = {"en": "synonyms.txt", "zh": "synonyms.zh.txt"}
CAPTIONS = {"en": "captions.txt", "zh": "captions.zh.txt"}
K = 10


def read_queries(path: Path) -> dict[str, list[str]]:
    """The plain words by query."""
    pairs = (line.split(" = ") for line in path.read_text(encoding="utf-8").splitlines())
    return {query: words.split(", ") for query, words in pairs}


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Matches one of the words, in any case, and whole in scripts that divide words."""
    patterns = (rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word) for word in words)
    return re.compile("|".join(patterns), re.IGNORECASE)


def nearest(texts: Embedding, photos: Embedding) -> npt.NDArray[np.intp]:
    """Indices [n, K] of the photos nearest to each text."""
    return np.argsort(-(texts @ photos.T), axis=1, kind="stable")[:, :K]


def main() -> None:
    """Prints one row a query, and the means."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path, help="folder with images/, captions.txt and dev.txt")
    arguments.add_argument("--language", choices=list(QUERIES), default="en")
    arguments.add_argument("--queries", type=Path, help="lines like: canine = dog, dogs, puppy")
    given = arguments.parse_args()
    queries = read_queries(given.queries or Path(__file__).with_name(QUERIES[given.language]))
    model, file = revln.load_model(given.model), given.captioned / CAPTIONS[given.language]
    captions = {name: "\n".join(texts) for name, texts in read_captions(file).items()}
    names = [name for name in read_split(given.captioned / "dev.txt") if name in captions]
    photos = model.encode_images([given.captioned / "images" / name for name in names])
    fits = np.array([[bool(any_of(words).search(captions[name])) for name in names] for words in queries.values()])
    asked = nearest(model.encode_texts(list(queries)), photos)
    plain = nearest(model.encode_texts([words[0] for words in queries.values()]), photos)
    columns = {
        "synonym": np.take_along_axis(fits, asked, axis=1).mean(1),
        "plain word": np.take_along_axis(fits, plain, axis=1).mean(1),
        "chance": fits.mean(1),
    }
    every_caption = "\n".join(captions.values())
    print(f"{'query':>14}", *(f"{name:>12}" for name in columns), f"{'in captions':>12}")
    for row, query in enumerate(queries):
        count = len(any_of([query]).findall(every_caption))
        print(f"{query:>14}", *(f"{100 * values[row]:12.1f}" for values in columns.values()), f"{count:12}")
    means = {name: round(100 * float(values.mean()), 1) for name, values in columns.items()}
    print(f"{'mean':>14}", *(f"{value:12.1f}" for value in means.values()))
    finish(
        "synonyms",
        model=model.id,
        language=given.language,
        photos=len(names),
        queries=len(queries),
        precision_at_10=means,
    )


if __name__ == "__main__":
    main()

"""Whether knowledge finds photos that their own vectors would not.

A memory of photos, one a class and without labels, is asked for what WordNet says of a hundred of the classes: the
definition, less the words of the class's names. Then WordNet's records of all classes that the model knows (names,
definitions, what they are a kind of) join the memory, and the same is asked again. A query counts when the photo of
its class is among the first five. Whether the records do harm is seen where the queries are the classes' bare names.

    python benchmarks/wordnet.py IMAGENET_SAMPLE WORDNET_DIR

IMAGENET_SAMPLE holds photos named like ``n01440764_tench.jpg``, by synset of WordNet 3.0 and name; WORDNET_DIR its
database files (``/usr/share/wordnet``, of Debian's package wordnet-base). Takes about two minutes on two cores.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import revln
from common import finish, parser, photos_in
from revln.pipeline import index_source
from revln.sources import WordNetSource

CLASSES = 100
_WORD = re.compile(r"[^\W\d_]+")


def names_of(photos: list[Path]) -> dict[Path, str]:
    """The class's name by photo."""
    return {photo: photo.stem.partition("_")[2].replace("_", " ") for photo in photos}


def definition(wordnet: Path, photo: Path, name: str) -> str:
    """What WordNet says of a photo's class, without examples and without the words of its names."""
    with (wordnet / "data.noun").open("rb") as data:
        data.seek(int(photo.stem[1:].partition("_")[0]))
        facts, _, gloss = data.readline().decode("utf-8").partition(" | ")
    fields = facts.split()
    lemmas = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    hidden = {word.lower() for part in (name, *lemmas) for word in _WORD.findall(part.replace("_", " "))}
    words = gloss.partition('; "')[0].split()
    return " ".join(word for word in words if hidden.isdisjoint(_WORD.findall(word.lower())))


def recall(memory: revln.Memory, queries: Mapping[Path, str]) -> dict[str, float]:
    """Percentage of queries whose photo is among the first, and the median time of a search."""
    ranks, seconds = [], []
    for photo, query in queries.items():
        found = memory.search(query, k=5)
        ranks.append(next((hit.rank for hit in found if hit.record.uri == str(photo.absolute())), 6))
        seconds.append(found.seconds)
    shares = {f"R@{k}": round(100 * sum(rank <= k for rank in ranks) / len(ranks), 1) for k in (1, 5)}
    return {**shares, "median ms": round(1000 * median(seconds), 1)}


def main() -> None:
    """Asks for classes by definition and by name, without WordNet and with it."""
    arguments = parser(__doc__)
    arguments.add_argument("photos", type=Path, help="folder of photos named by synset and class")
    arguments.add_argument("wordnet", type=Path, help="folder with WordNet's data.noun and index.noun")
    given = arguments.parse_args()
    model = revln.load_model(given.model)
    folder = given.photos.resolve()
    names = names_of(photos_in(folder))
    drawn = random.Random(0).sample(sorted(names), CLASSES)
    queries = {
        "definitions": {photo: definition(given.wordnet, photo, names[photo]) for photo in drawn},
        "names": names,
    }
    results = {}
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        memory = revln.Memory.open(Path(temporary) / "wordnet.revln", model=model)
        revln.index([folder], memory=memory)
        photos = len(memory)
        results["photos alone"] = {what: recall(memory, asked) for what, asked in queries.items()}
        started = time.perf_counter()
        index_source(WordNetSource(given.wordnet, model.encoder.classes), memory=memory)
        seconds = round(time.perf_counter() - started, 1)
        results["with WordNet"] = {what: recall(memory, asked) for what, asked in queries.items()}
        records = len(memory) - photos
    for what, found in results.items():
        print(f"{what}: {found}")
    gained = results["with WordNet"]["definitions"]["R@5"] - results["photos alone"]["definitions"]["R@5"]
    finish(
        "wordnet", model=model.id, photos=photos, records=records, indexing=seconds, gained=round(gained, 1), **results
    )


if __name__ == "__main__":
    main()

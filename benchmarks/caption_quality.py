"""What the memory is worth to captions: with it, without it, and with what it recalls of another photo.

The memory holds the training photos with their captions in one language; the dev photos are captioned as
``revln caption`` does, and without regard to what is said of like photos. Printed are CIDEr and BLEU-4 of each way, and
how much CIDEr each gains over another way, with 95 % intervals (paired bootstrap over photos). A twin, a bundle whose
generator was trained without retrieval, is captioned for without a memory; it has to speak the model's languages.

    python benchmarks/caption_quality.py FLICKR8K [--twin BUNDLE] [--beams 1] [--photos 400]

FLICKR8K holds ``images/``, ``captions.txt``, ``captions.zh.txt``, ``train.txt`` and ``dev.txt``. Takes about ten
minutes on two cores.
"""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import revln
from common import finish, parser
from revln.answer import Decoding
from revln.metrics import Cider, Tokens, bleu, bootstrap_interval, paired_bootstrap_interval
from revln.models import Model
from revln.pipeline.generators import generator_of
from revln.pipeline.telling import Teller
from revln.retrieve import Recollection
from revln.sources import read_captions, read_split
from revln.text import caption_tokens
from revln.types import ImageEncoding

CAPTIONS = {"en": "captions.txt", "zh": "captions.zh.txt"}
TOGETHER = 16
NOTHING = Recollection((), np.zeros((0, 3), np.float32))


def memory_of(folder: Path, language: str, place: Path, model: Model) -> revln.Memory:
    """A memory of the training photos with their captions in one language."""
    said, train = read_captions(folder / CAPTIONS[language]), read_split(folder / "train.txt")
    captions = place / f"{language}.csv"
    with captions.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *((name, text) for name in train for text in said[name])])
    memory = revln.Memory.open(place / f"{language}.revln", model=model)
    revln.index([folder / "images" / name for name in train], memory=memory, captions=captions)
    return memory


def say(
    teller: Teller, language: str, seen: Sequence[ImageEncoding], recalled: Sequence[Recollection], decoding: Decoding
) -> list[Tokens]:
    """Captions as tokens."""
    said: list[Tokens] = []
    for start in range(0, len(seen), TOGETHER):
        photos, own = seen[start : start + TOGETHER], recalled[start : start + TOGETHER]
        prompts = np.full((len(photos), 1), teller.generator.beginning(language))
        told = teller.tell(photos, own, prompts, decoding, language)
        said += [caption_tokens(teller.generator.decode(one.sentence.ids), language) for one in told]
    return said


def figures(said: Mapping[str, Sequence[Tokens]], references: Sequence[Sequence[Tokens]]) -> dict[str, Any]:
    """CIDEr and BLEU-4 of each way, and gains in CIDEr over others."""
    measure, rows = Cider(references), list(range(len(references)))
    scores: dict[str, npt.NDArray[np.floating]] = {
        way: 100 * np.asarray(measure.scores(own, rows)) for way, own in said.items()
    }
    found: dict[str, Any] = {}
    for way, own in said.items():
        interval = bootstrap_interval(scores[way])
        found[way] = {"CIDEr": shown(interval), "BLEU-4": round(100 * bleu(own, references)[-1], 1)}
    for first, second in (("on", "off"), ("on", "twin"), ("on", "no agreement"), ("another's", "off")):
        if first in scores and second in scores:
            found[f"{first} over {second}"] = shown(paired_bootstrap_interval(scores[first], scores[second]))
    return found


def shown(interval: revln.metrics.Interval) -> str:
    """A mean with its interval."""
    return f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})"


def main() -> None:
    """Measures each language that the model speaks."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    arguments.add_argument("--twin", type=Path, help="bundle whose generator was trained without retrieval")
    arguments.add_argument("--beams", type=int, default=Decoding().beams)
    arguments.add_argument("--photos", type=int, help="first photos of the dev split only")
    given = arguments.parse_args()
    model, decoding = revln.load_model(given.model), Decoding(beams=given.beams)
    twin = revln.load_model(given.twin) if given.twin else None
    dev = read_split(given.captioned / "dev.txt")[: given.photos]
    photos = [given.captioned / "images" / name for name in dev]
    seen = list(model.look(photos))
    seen_by_twin = list(twin.look(photos)) if twin else []
    other = np.roll(np.arange(len(dev)), 1)
    results = {}
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        for language in generator_of(model).languages:
            captions = read_captions(given.captioned / CAPTIONS[language])
            references = [[caption_tokens(text, language) for text in captions[name][:5]] for name in dev]
            memory = memory_of(given.captioned, language, Path(temporary), model)
            teller = Teller(model, memory)
            recalled = [teller.recall("", encoding, language) for encoding in seen]
            said = {
                "on": say(teller, language, seen, recalled, decoding),
                "no agreement": say(teller, language, seen, recalled, dataclasses.replace(decoding, agreement=0.0)),
                "off": say(teller, language, seen, [NOTHING] * len(seen), decoding),
                "another's": say(teller, language, seen, [recalled[place] for place in other], decoding),
            }
            if twin:
                said["twin"] = say(Teller(twin), language, seen_by_twin, [NOTHING] * len(seen), decoding)
            results[language] = figures(said, references)
            print(language, results[language], flush=True)
    finish("caption_quality", beams=given.beams, photos=len(dev), **results)


if __name__ == "__main__":
    main()

"""Does what is shown as evidence matter? Leaving out the record with the most weight, against another one.

For each dev photo: how often its caption, and the answer to a question about it, become others when the most weighty
record is taken out of the memory, and when another one that is recalled is, drawn by chance. Captions are those of
``revln caption``, and beside them those that are found word by word. The memory holds the training photos with their
English captions.

    python benchmarks/faithfulness.py FLICKR8K [--photos 500]

Takes about ten minutes on two cores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import revln
from asking import questions_file
from caption_quality import memory_of
from common import finish, parser
from revln.answer import ANSWERING, Decoding
from revln.pipeline.recalling import Recaller
from revln.pipeline.telling import Teller, Told
from revln.sources import read_questions, read_split
from revln.types import Embedding, ImageEncoding

LANGUAGE, TOGETHER = "en", 16


@dataclass(frozen=True, slots=True)
class Way:
    """How something is said about each photo.

    Attributes:
        teller: says it.
        recaller: tells what the memory recalls.
        decoding: how sentences are found.
    """

    teller: Teller
    recaller: Recaller
    decoding: Decoding


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo with what it is asked for.

    Attributes:
        file: of it.
        seen: its encoding.
        prompt: tokens that what is said begins with.
        question: unit vector of what is asked about it [dim]; none for captions.
    """

    file: str
    seen: ImageEncoding
    prompt: list[int]
    question: Embedding | None = None


def said(way: Way, photos: Sequence[Photo], absent: Sequence[Collection[str]]) -> list[tuple[Told, list[str]]]:
    """What is said about each photo without the records of its ids, and the ids of what is recalled then."""
    told: dict[int, tuple[Told, list[str]]] = {}
    for length in {len(photo.prompt) for photo in photos}:
        alike = [place for place, photo in enumerate(photos) if len(photo.prompt) == length]
        for start in range(0, len(alike), TOGETHER):
            part = alike[start : start + TOGETHER]
            own = [photos[place] for place in part]
            recalled = [
                way.recaller.recall(photo.file, photo.seen, LANGUAGE, photo.question, without=absent[place])
                for place, photo in zip(part, own, strict=True)
            ]
            prompts = np.array([photo.prompt for photo in own])
            seen = [photo.seen for photo in own]
            if own[0].question is None:
                found = way.teller.tell(seen, recalled, prompts, way.decoding, LANGUAGE)
            else:
                found = way.teller.answer(seen, recalled, prompts, way.decoding)
            for place, one, recollection in zip(part, found, recalled, strict=True):
                told[place] = (one, [hit.record.id for hit in recollection.hits])
    return [told[place] for place in range(len(photos))]


def changed(way: Way, photos: Sequence[Photo]) -> dict[str, float]:
    """Share of what is said that becomes other, in percent."""
    chance = np.random.default_rng(0)
    before = said(way, photos, [()] * len(photos))
    removed: dict[str, list[str]] = {"the most weighty": [], "another": []}
    for told, recalled in before:
        first = told.evidence[0].hit.record.id
        removed["the most weighty"].append(first)
        removed["another"].append(str(chance.choice([record for record in recalled if record != first])))
    shares = {}
    for name, ids in removed.items():
        after = said(way, photos, [(one,) for one in ids])
        other = [one.sentence.ids != two.sentence.ids for (one, _), (two, _) in zip(before, after, strict=True)]
        shares[name] = round(100 * float(np.mean(other)), 1)
    return {**shares, "ratio": round(shares["the most weighty"] / max(shares["another"], 0.1), 2)}


def main() -> None:
    """Measures captions and answers."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    arguments.add_argument("--photos", type=int, default=500)
    given = arguments.parse_args()
    model = revln.load_model(given.model)
    names = read_split(given.captioned / "dev.txt")[: given.photos]
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        memory = memory_of(given.captioned, LANGUAGE, Path(temporary), model)
        teller, recaller = Teller(model, memory), Recaller(model, memory)
        files = {name: str(given.captioned / "images" / name) for name in names}
        seen = dict(zip(names, model.look(list(files.values())), strict=True))
        first = [teller.generator.beginning(LANGUAGE)]
        captioned = [Photo(files[name], seen[name], first) for name in names]
        asked = {one.image: one for one in read_questions(questions_file(given.captioned, LANGUAGE, Path(temporary)))}
        asked = {name: one for name, one in asked.items() if name in seen}
        vectors = model.encode_texts([one.question for one in asked.values()])
        questioned = [
            Photo(files[name], seen[name], teller.generator.question(one.question), vector)
            for (name, one), vector in zip(asked.items(), vectors, strict=True)
        ]
        most = teller.generator.max_tokens - 1
        results = {}
        for name, way, photos in (
            ("captions", Way(teller, recaller, Decoding(most=most)), captioned),
            ("captions, word by word", Way(teller, recaller, Decoding(most=most, beams=1)), captioned),
            ("answers", Way(teller, recaller, ANSWERING), questioned),
        ):
            results[name] = changed(way, photos)
            print(name, results[name], flush=True)
    finish("faithfulness", photos=len(names), questions=len(asked), **results)


if __name__ == "__main__":
    main()

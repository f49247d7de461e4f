"""Does what is shown as evidence matter? Leaving out the record with the most weight, against another one.

For dev photos whose answer rests on at least two records: how often the caption, and the answer to a question, become
others when the most weighty record is left out, and when one of the others is, drawn by chance. The memory holds the
training photos with their English captions.

    python benchmarks/faithfulness.py FLICKR8K [--photos 500]

Takes about five minutes on two cores.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import revln
from asking import questions_file
from caption_quality import memory_of
from common import finish, parser
from revln.answer import Decoding
from revln.config import RECALLED
from revln.pipeline.telling import Teller
from revln.retrieve import Recollection
from revln.sources import read_questions, read_split
from revln.types import ImageEncoding

LANGUAGE, TOGETHER = "en", 16


def without(recalled: Recollection, place: int) -> Recollection:
    """All but one record."""
    kept = [other for other in range(len(recalled.hits)) if other != place]
    return Recollection(tuple(recalled.hits[other] for other in kept), recalled.likenesses[kept])


def said(
    teller: Teller,
    seen: Sequence[ImageEncoding],
    recalled: Sequence[Recollection],
    prompts: Sequence[list[int]],
    decoding: Decoding,
) -> list[tuple[tuple[int, ...], list[str]]]:
    """What is said about each photo, with the ids of its evidence, most weighty first."""
    told: dict[int, tuple[tuple[int, ...], list[str]]] = {}
    lengths = {len(prompt) for prompt in prompts}
    for length in lengths:
        alike = [place for place, prompt in enumerate(prompts) if len(prompt) == length]
        for start in range(0, len(alike), TOGETHER):
            part = alike[start : start + TOGETHER]
            found = teller.tell(
                [seen[place] for place in part],
                [recalled[place] for place in part],
                np.array([prompts[place] for place in part]),
                decoding,
            )
            for place, one in zip(part, found, strict=True):
                told[place] = (one.sentence.ids, [evidence.hit.record.id for evidence in one.evidence])
    return [told[place] for place in range(len(prompts))]


def changed(
    teller: Teller,
    seen: Sequence[ImageEncoding],
    recalled: Sequence[Recollection],
    prompts: Sequence[list[int]],
    decoding: Decoding,
    chance: np.random.Generator,
) -> dict[str, float]:
    """Share of what is said that becomes other, in percent."""
    before = said(teller, seen, recalled, prompts, decoding)
    places: dict[str, list[int]] = {"the most weighty": [], "another": []}
    for own, (_, evidence) in zip(recalled, before, strict=True):
        ids = [hit.record.id for hit in own.hits]
        places["the most weighty"].append(ids.index(evidence[0]))
        places["another"].append(ids.index(str(chance.choice(evidence[1:]))))
    shares = {}
    for name, own_places in places.items():
        fewer = [without(own, place) for own, place in zip(recalled, own_places, strict=True)]
        after = said(teller, seen, fewer, prompts, decoding)
        other: npt.NDArray[np.bool_] = np.array([one[0] != two[0] for one, two in zip(before, after, strict=True)])
        shares[name] = round(100 * float(other.mean()), 1)
    return {**shares, "ratio": round(shares["the most weighty"] / max(shares["another"], 0.1), 2)}


def main() -> None:
    """Measures captions and answers."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    arguments.add_argument("--photos", type=int, default=500)
    given = arguments.parse_args()
    model, chance = revln.load_model(given.model), np.random.default_rng(0)
    names = read_split(given.captioned / "dev.txt")[: given.photos]
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        memory = memory_of(given.captioned, LANGUAGE, Path(temporary), model)
        teller = Teller(model, memory, k=RECALLED)
        files = {name: str(given.captioned / "images" / name) for name in names}
        seen = dict(zip(names, model.look(list(files.values())), strict=True))
        captions = [teller.recall(files[name], seen[name], LANGUAGE) for name in names]
        first = teller.generator.beginning(LANGUAGE)
        most = Decoding(most=teller.generator.max_tokens - 1, beams=1)
        results = {"captions": changed(teller, list(seen.values()), captions, [[first]] * len(names), most, chance)}
        print(results, flush=True)
        asked = {one.image: one for one in read_questions(questions_file(given.captioned, LANGUAGE, Path(temporary)))}
        asked = {name: one for name, one in asked.items() if name in seen}
        vectors = model.encode_texts([one.question for one in asked.values()])
        recalled = [
            teller.recall(files[name], seen[name], LANGUAGE, vector)
            for name, vector in zip(asked, vectors, strict=True)
        ]
        prompts = [teller.generator.question(one.question) for one in asked.values()]
        short = dataclasses.replace(most, most=8)
        results["answers"] = changed(teller, [seen[name] for name in asked], recalled, prompts, short, chance)
        print(results, flush=True)
    finish("faithfulness", photos=len(names), questions=len(asked), **results)


if __name__ == "__main__":
    main()

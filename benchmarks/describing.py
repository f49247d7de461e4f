"""Do captions that the generator makes help to find photos? Vectors alone, and words of the captions as well.

A memory of the dev photos, none with a text; ``revln index --describe`` captions them. The first English caption that
somebody wrote of each photo is searched for: how often the photo is first, and among the first ten, in the modes
``vector``, ``hybrid`` and ``text``, before and after.

    python benchmarks/describing.py FLICKR8K

FLICKR8K holds ``images/``, ``captions.txt`` and ``dev.txt``. Takes about five minutes on two cores.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import revln
from common import finish, parser
from revln.pipeline.describing import describe
from revln.retrieve import Mode
from revln.sources import read_captions, read_split


def found(memory: revln.Memory, asked: dict[str, str], mode: Mode) -> dict[str, float]:
    """R@1 and R@10 in percent."""
    ranks = []
    for name, text in asked.items():
        hits = memory.search(text, k=10, mode=mode).hits
        ranks.append(next((hit.rank for hit in hits if Path(hit.record.uri).name == name), 11))
    return {f"R@{k}": round(100 * sum(rank <= k for rank in ranks) / len(ranks), 1) for k in (1, 10)}


def main() -> None:
    """Measures the dev split."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    given = arguments.parse_args()
    said, dev = read_captions(given.captioned / "captions.txt"), read_split(given.captioned / "dev.txt")
    asked = {name: said[name][0] for name in dev}
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        memory = revln.Memory.open(Path(temporary) / "memory.revln", model=revln.load_model(given.model))
        revln.index([given.captioned / "images" / name for name in dev], memory=memory)
        results = {"vector": found(memory, asked, "vector")}
        described = describe(memory)
        for mode in ("vector", "hybrid", "text"):
            results[f"{mode}, described"] = found(memory, asked, mode)
            print(mode, results[f"{mode}, described"], flush=True)
    finish("describing", photos=len(dev), described=described, **results)


if __name__ == "__main__":
    main()

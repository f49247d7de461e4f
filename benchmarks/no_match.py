"""Whether revln says so when a memory holds nothing that fits.

A memory of the dev photos, without their captions, is asked for each dev caption, for which ``matched`` should be
true, and for sentences about things that no such photo shows, for which it should be false. These are in
``no_match_queries.txt``, one a line. The bundle's calibration is fitted with the even lines, so the odd lines
(the first, the third ...) are what counts.

    python benchmarks/no_match.py FLICKR8K

FLICKR8K holds ``images/``, ``captions.txt``, ``dev.txt``, and ``captions.zh.txt`` for a bundle that knows Chinese.
Takes about two minutes on two cores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import revln
from common import finish, parser
from revln.sources import read_captions, read_split

QUERIES = Path(__file__).with_name("no_match_queries.txt")


def matched_share(memory: revln.Memory, queries: Sequence[str]) -> float:
    """Percentage of the queries for which the memory says that it holds what fits."""
    return round(100 * sum(memory.search(text=query, k=1).matched for query in queries) / len(queries), 1)


def main() -> None:
    """Asks for what is there and for what is not."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path, help="folder with images/, captions.txt and dev.txt")
    arguments.add_argument("--queries", type=Path, default=QUERIES, help="sentences that fit no photo, one a line")
    given = arguments.parse_args()
    model = revln.load_model(given.model)
    files = {code: "captions.txt" if code == "en" else f"captions.{code}.txt" for code in model.card.languages}
    captions = {code: read_captions(given.captioned / file) for code, file in files.items()}
    names = read_split(given.captioned / "dev.txt")
    queries = given.queries.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        memory = revln.Memory.open(Path(temporary) / "dev.revln", model=model)
        revln.index([given.captioned / "images" / name for name in names], memory=memory)
        present = {
            code: matched_share(memory, [text for name in names for text in own.get(name, ())])
            for code, own in captions.items()
        }
        absent = {
            "odd lines": round(100 - matched_share(memory, queries[0::2]), 1),
            "even lines (fitted)": round(100 - matched_share(memory, queries[1::2]), 1),
        }
        photos = len(memory)
    print(f"matched is true for {present} % of the captions, false for {absent} % of the other sentences")
    finish("no_match", model=model.id, photos=photos, captions_matched=present, others_unmatched=absent)


if __name__ == "__main__":
    main()

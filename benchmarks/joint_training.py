"""What each part of joint training is worth: the decoder, the CNN, the retriever, the memory.

One generator for each row, all by the same short recipe (English, 3 epochs by likelihood, greedy captions of the dev
split): CIDEr with the memory and without, and R@1 of the retriever that comes out. Rows that the directory of
the runs holds already are not trained again, and those that were broken off go on.

    python benchmarks/joint_training.py FLICKR8K --lm RUN --out DIRECTORY [--packaged BUNDLE] [--taught BUNDLE]

RUN is one of ``revln train lm``. ``--packaged`` and ``--taught`` are bundles with frozen CNNs that differ in nothing
else: the CNN as it is packaged, and as ``revln train vision`` has left it. Takes about ten minutes a row on two cores.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from common import finish, parser
from revln.models.registry import open_bundle
from revln.train.config import JointConfig
from revln.train.generator_start import GeneratorStart
from revln.train.joint import joint
from revln.train.pairs import AlignData
from revln.train.run_directory import best_epoch
from revln.train.starting import Start

SHORT = JointConfig(name="row", languages="en", epochs=3, captions=2, views=2)
ROWS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "decoder from scratch": {"decoder": "scratch"},
    "retriever trained": {"retriever": "trained"},
    "six blocks of the CNN trained": {"vision_blocks": 6},
    "retriever and CNN trained": {"retriever": "trained", "vision_blocks": 6},
    "without a memory": {"memory_share": 0.0},
}
SHOWN = {
    "CIDEr": "en_CIDEr",
    "CIDEr off": "en_CIDEr_off",
    "BLEU-4": "en_BLEU-4",
    "image to text R@1": "en_image_to_text_R@1",
    "text to image R@1": "en_text_to_image_R@1",
}


def trained(folder: Path, bundle: str, changes: dict[str, Any], language_run: Path, out: Path) -> dict[str, float]:
    """What the best epoch of a row gave."""
    opened = open_bundle(bundle)
    config = dataclasses.replace(SHORT, start=opened.card.id, **changes)
    made_with, start = Start.of_bundle(opened)
    begun = GeneratorStart.of_language_model(language_run, config)
    joint(config, made_with, AlignData.in_folder(folder), out, start=start, begun=begun, resume=out.exists())
    return best_epoch(out)[1]


def main() -> None:
    """Trains what is not there, and prints the table."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    arguments.add_argument("--lm", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True, help="directory of the runs")
    arguments.add_argument("--packaged", help="bundle around the packaged CNN, frozen")
    arguments.add_argument("--taught", help="the same around a CNN of revln train vision")
    arguments.add_argument("--rows", nargs="*", choices=ROWS, help="some rows only")
    given = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = {name: (given.model, changes) for name, changes in ROWS.items() if not given.rows or name in given.rows}
    if given.packaged:
        rows["the CNN as it is packaged"] = (given.packaged, {})
    if given.taught:
        rows["the CNN after train vision"] = (given.taught, {})
    results = {}
    for name, (bundle, changes) in rows.items():
        best = trained(given.captioned, bundle, changes, given.lm, given.out / name.replace(" ", "-"))
        results[name] = {title: best[key] for title, key in SHOWN.items()}
        print(name, results[name], flush=True)
    finish("joint_training", epochs=SHORT.epochs, **results)


if __name__ == "__main__":
    main()

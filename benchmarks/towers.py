"""Which CNN at which input size: what each gives with frozen towers and trained heads, and what it costs.

For each choice: recall on the dev split and recall@1 of class names, after the heads alone were trained for a few
epochs on frozen features (as ``revln train align`` trains them, with the text encoder frozen); photos a second of the
bare CNN with one stream a core; size of its weights. Needs the extra ``train``.

    python benchmarks/towers.py FLICKR8K CLASS_NAMED_PHOTOS --runs DIRECTORY

CLASS_NAMED_PHOTOS is a folder of ``ID_class_name.jpg``. Takes about 40 minutes for all choices on two cores, most of it
for features, which are kept in DIRECTORY.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import torch

from common import finish, parser
from revln.images import Transform
from revln.metrics import recall_at
from revln.models import cores
from revln.models.tower import open_session
from revln.train import efficientnet, minilm
from revln.train.align import align
from revln.train.config import AlignConfig
from revln.train.export import load_run
from revln.train.features import Trunk, cached_features
from revln.train.onnx_files import export_onnx
from revln.train.pairs import AlignData
from revln.train.progress import Progress
from revln.train.starting import Start
from revln.train.text_encoders import token_ids
from revln.train.towers import Towers

CHOICES = ("lite0-224", "lite1-240", "lite2-224", "lite2-240", "lite2-260")


def throughput(variant: str, side: int) -> tuple[float, float]:
    """Photos a second of the bare CNN, one stream a core, and megabytes of its weights in half precision."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "trunk.onnx"
        trunk = Trunk(efficientnet.load_pretrained(variant), variant).eval()
        export_onnx(trunk, {"pixels": torch.zeros(1, side, side, 3, dtype=torch.uint8)}, ["features"], file)
        session = open_session(file, threads=1)
        pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)

        def run(times: int) -> None:
            for _ in range(times):
                session.run(None, {"pixels": pixels})

        run(5)
        started = time.perf_counter()
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(run, [60] * cores()))
        rate = 60 * cores() / (time.perf_counter() - started)
    megabytes = sum(parameter.numel() for parameter in trunk.parameters()) * 2 / 1e6
    return rate, megabytes


def by_name(config: AlignConfig, towers: Towers, photos: list[Path], cache: Path) -> dict[str, float]:
    """Recall of photos by the class names in their file names."""
    trunk = Trunk(efficientnet.load_pretrained(config.vision), config.vision)
    transform, progress = Transform(config.image_size, config.max_aspect), Progress("named photos", len(photos))
    features = cached_features(photos, trunk, transform, 0, cache, progress).pooled
    names = [path.stem.split("_", 1)[1].replace("_", " ") for path in photos]
    with torch.inference_mode():
        texts = towers.texts(token_ids(minilm.load_tokenizer(), names, config.max_tokens))
        scores = (texts @ towers.images(features).T).numpy()
    return recall_at((scores >= np.diagonal(scores)[:, None]).sum(1) - 1)


def main() -> None:
    """Prints a row for each choice."""
    arguments = parser(__doc__)
    arguments.add_argument("data", type=Path, help="folder with images/, captions.txt, train.txt, dev.txt")
    arguments.add_argument("named", type=Path, help="folder of ID_class_name.jpg")
    arguments.add_argument("--runs", type=Path, required=True, help="directory for the runs and their features")
    arguments.add_argument("--choices", nargs="+", default=CHOICES)
    arguments.add_argument("--epochs", type=int, default=12)
    arguments.add_argument("--dims", type=int, nargs="+", default=[384])
    given = arguments.parse_args()
    named, results = sorted(given.named.glob("*.jpg")), {}
    print(
        f"{'choice':>14} {'i2t R@1':>8} {'R@10':>6} {'t2i R@1':>8} {'R@10':>6} "
        f"{'class R@1':>10} {'photos/s':>9} {'MB':>6}"
    )
    for choice, dim in product(given.choices, given.dims):
        variant, side = choice.split("-")
        heads = {"text_rate": 0.0, "views": 1, "visual_dim": 0, "batch_size": 1024, "epochs": given.epochs}
        config = AlignConfig(name=choice, vision=variant, image_size=int(side), dim=dim, **heads)
        run = given.runs / f"{choice}-{dim}"
        metrics = align(config, AlignData.in_folder(given.data), run, start=Start.packaged(config)).metrics
        _, towers = load_run(run)
        classes = by_name(config, towers, named, given.runs / "features")
        rate, megabytes = throughput(variant, int(side))
        columns = [metrics[f"{way}_R@{k}"] for way in ("image_to_text", "text_to_image") for k in (1, 10)]
        print(
            f"{run.name:>14} {columns[0]:>8} {columns[1]:>6} {columns[2]:>8} {columns[3]:>6} "
            f"{classes['R@1']:>10} {rate:>9.1f} {megabytes:>6.1f}",
            flush=True,
        )
        results[run.name] = {
            "recall": metrics,
            "class_names": classes,
            "photos_per_second": round(rate, 1),
            "megabytes_fp16": round(megabytes, 1),
        }
    finish("towers", epochs=given.epochs, choices=results)


if __name__ == "__main__":
    main()

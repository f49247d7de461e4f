"""How many bits the weights of a bundle need: recall and size of one run, stored as fp32, fp16 and int8.

Arithmetic is float32 in all of them (see ``revln.train.onnx_files``), so speed is the same. Needs the extra ``train``.

    python benchmarks/precision.py RUN FLICKR8K CLASS_NAMED_PHOTOS

CLASS_NAMED_PHOTOS is a folder of ``ID_class_name.jpg``. Takes about five minutes on two cores.
"""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from common import finish, parser
from revln.metrics import recall_at, retrieval_recall
from revln.models.bundle import TEXT, VISION
from revln.sources import read_captions, read_split
from revln.train.align import CAPTIONS_PER_IMAGE, AlignData
from revln.train.export import draft_bundle, load_run
from revln.train.onnx_files import PRECISIONS


def main() -> None:
    """Prints a row for each pair of precisions."""
    arguments = parser(__doc__)
    arguments.add_argument("run", type=Path, help="directory of revln train align")
    arguments.add_argument("data", type=Path, help="folder with images/, captions.txt, dev.txt")
    arguments.add_argument("named", type=Path, help="folder of ID_class_name.jpg")
    given = arguments.parse_args()
    data = AlignData.in_folder(given.data)
    captions, names = read_captions(data.captions), read_split(data.dev)
    texts = [captions[name][:CAPTIONS_PER_IMAGE] for name in names]
    owners = np.repeat(np.arange(len(names)), [len(group) for group in texts])
    named = sorted(given.named.glob("*.jpg"))
    queries = [path.stem.split("_", 1)[1].replace("_", " ") for path in named]
    config, towers = load_run(given.run)
    images, sentences, sizes = {}, {}, {}
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as scratch:
            model = draft_bundle(given.run, config, towers, Path(scratch), precision, precision)
            images[precision] = model.encode_images([*(data.images / name for name in names), *named])
            sentences[precision] = model.encode_texts([*(text for group in texts for text in group), *queries])
            sizes[precision] = {name: (Path(scratch) / name).stat().st_size / 1e6 for name in (VISION, TEXT)}
    results = {}
    print(f"{'vision':>7} {'text':>6} {'i2t R@1':>8} {'t2i R@1':>8} {'class R@1':>10} {'MB':>7}")
    for vision, text in product(PRECISIONS, repeat=2):
        photos, words = images[vision], sentences[text]
        recall = retrieval_recall(photos[: len(names)], words[: len(owners)], owners)
        scores = words[len(owners) :] @ photos[len(names) :].T
        by_name = recall_at((scores >= np.diagonal(scores)[:, None]).sum(1) - 1)
        megabytes = round(sizes[vision][VISION] + sizes[text][TEXT], 1)
        results[f"{vision}/{text}"] = {**recall, "class_names": by_name, "megabytes": megabytes}
        ways = (recall["image_to_text"]["R@1"], recall["text_to_image"]["R@1"], by_name["R@1"])
        print(f"{vision:>7} {text:>6} {ways[0]:>8} {ways[1]:>8} {ways[2]:>10} {megabytes:>7}")
    finish("precision", run=given.run.name, precisions=results)


if __name__ == "__main__":
    main()

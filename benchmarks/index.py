"""How near indexing comes to what the machine allows, and whether its memory stays flat.

The bound is cores / (core-seconds to decode + core-seconds to encode one photo): decoding is reading, decoding and
resizing to the model's input; encoding is the bundle's image tower in bare ONNX Runtime, one thread, batch 1. Both
are the processor time of one thread alone. Since cores slow each other down (shared caches, shared clock, shared
arithmetic units), the same is measured with a thread on every core, which gives the second bound. Bounds and
indexing take turns, for the speed of a shared machine wanders; each figure is the median of three rounds.

The photos given are measured as they are, then 12-megapixel JPEGs made from them: enlarged, with sensor noise. Peak
memory is that of a process of its own for each number of photos.

    python benchmarks/index.py PHOTOS

Takes about four minutes for 5,000 small photos on two cores; leave the machine alone meanwhile.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

import revln
from common import finish, parser, photos_in, run_python
from revln.images import open_image
from revln.models import cores

ROUNDS = 3

PEAK_MEMORY = """
import json, resource, sys
from pathlib import Path
import revln

model, memory, names = sys.argv[1:]
photos = Path(names).read_text().splitlines()
report = revln.index(photos, memory=revln.Memory.open(memory, model=model))
try:  # ru_maxrss would remember the process that started this one
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(lines["VmHWM"].split()[0]) / 1024
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(json.dumps({"photos": report.records, "seconds": round(report.seconds, 1), "peak_mb": round(peak)}))
"""


def core_seconds(work: Callable[[Any], object], items: Sequence[Any], threads: int) -> float:
    """Processor time an item takes with ``threads`` threads at work at once."""

    def stream(part: Sequence[Any]) -> float:
        start = time.thread_time()
        for item in part:
            work(item)
        return time.thread_time() - start

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(stream, [items] * threads)) / (threads * len(items))


def bare_encoder(model: revln.Model) -> Callable[[Any], object]:
    """The image tower without anything of revln around it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = model.bundle.file("vision.onnx")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    floats = model.card.image.layout == "nchw-float"

    def encode(pixels: Any) -> object:
        feed = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255 if floats else pixels[None]
        return session.run(None, {name: feed})

    return encode


def measure(photos: Sequence[Path], model: revln.Model, scratch: Path, sample: int) -> dict[str, float]:
    """Bound and throughput for some photos."""
    transform = model.encoder.transform

    def decode(path: Path) -> Any:
        return transform(open_image(path, min_side=transform.min_side))

    chosen = photos[:: max(1, len(photos) // sample)][:sample]
    pixels = [decode(path) for path in chosen]
    encode = bare_encoder(model)
    rounds: list[dict[str, float]] = []
    for number in range(ROUNDS):
        found: dict[str, float] = {}
        for threads, key in ((1, ""), (cores(), "_all_cores")):
            decoding, encoding = core_seconds(decode, chosen, threads), core_seconds(encode, pixels, threads)
            found[f"decode_ms{key}"], found[f"encode_ms{key}"] = 1000 * decoding, 1000 * encoding
            found[f"bound_per_s{key}"] = cores() / (decoding + encoding)
        report = revln.index(photos, memory=revln.Memory.open(scratch / f"{number}.revln", model=model))
        found["indexed_per_s"] = len(photos) / report.seconds
        rounds.append(found)
    result = {key: round(median(found[key] for found in rounds), 2) for key in rounds[0]}
    for key in ("", "_all_cores"):
        result[f"ratio{key}"] = round(result["indexed_per_s"] / result[f"bound_per_s{key}"], 3)
    return {"photos": len(photos), **result}


def make_large(photos: Sequence[Path], folder: Path, copies: int) -> list[Path]:
    """12-megapixel JPEGs of a camera's size in bytes, each under several names: all are read and decoded."""

    def make(number: int) -> list[Path]:
        image = open_image(photos[number]).resize((4000, 3000), Image.Resampling.BICUBIC)
        noise = np.random.default_rng(number).normal(0, 5, (3000, 4000, 1)).astype(np.float32)
        noisy = (np.asarray(image, np.float32) + noise).clip(0, 255).astype(np.uint8)
        first = folder / f"{number}.jpg"
        Image.fromarray(noisy).save(first, quality=92)
        names = [folder / f"{number}-{copy}.jpg" for copy in range(copies - 1)]
        for name in names:
            os.link(first, name)
        return [first, *names]

    folder.mkdir()
    with ThreadPoolExecutor(cores()) as pool:
        return [name for names in pool.map(make, range(len(photos))) for name in names]


def peak_memory(photos: Sequence[Path], model: revln.Model, scratch: Path) -> dict[str, Any]:
    """Peak memory of a process that indexes some photos."""
    names = scratch / "names.txt"
    names.write_text("\n".join(map(str, photos)), encoding="utf-8")
    return run_python(PEAK_MEMORY, model.bundle.directory, scratch / f"peak-{len(photos)}.revln", names)


def main() -> None:
    """Runs all parts."""
    arguments = parser(__doc__)
    arguments.add_argument("photos", type=Path, help="folder of JPEG photos")
    arguments.add_argument("--small", type=int, default=2000, help="photos of the folder to index (default: 2000)")
    arguments.add_argument("--large", type=int, default=30, help="12-megapixel photos to make (default: 30)")
    arguments.add_argument("--copies", type=int, default=8, help="times that each of these is indexed (default: 8)")
    arguments.add_argument("--peak", type=int, nargs="*", default=[1000, 5000], help="numbers of photos (1000 5000)")
    arguments.add_argument("--sample", type=int, default=200, help="photos timed for the bound (default: 200)")
    given = arguments.parse_args()
    photos, model = [path.absolute() for path in photos_in(given.photos)], revln.load_model(given.model)
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        scratch = Path(temporary)
        for part in ("small", "large"):
            (scratch / part).mkdir()
        small = measure(photos[: given.small], model, scratch / "small", given.sample)
        print("small photos:", small, flush=True)
        made = make_large(photos[: given.large], scratch / "made", given.copies)
        size = sum(path.stat().st_size for path in made) / len(made)
        large = {"mb_each": round(size / 1e6, 1), **measure(made, model, scratch / "large", min(given.sample, 30))}
        print("12-megapixel photos:", large, flush=True)
        peaks = [peak_memory(photos[:count], model, scratch) for count in given.peak]
        print("peak memory:", peaks, flush=True)
    finish("index", model=model.id, small=small, large=large, peak_memory=peaks)


if __name__ == "__main__":
    main()

"""Captions a second, and how long one takes: revln beside the same model in PyTorch, eager, on the same cores.

From a loaded process, encoding the photo and asking the memory included. The memory holds the photos of FLICKR8K's
training split with their captions; the dev photos are captioned one at a time and sixteen at a time. ``greedy`` says
the same as PyTorch does; ``as shipped`` is what ``revln caption`` does by default. Rounds take turns; medians.

    python benchmarks/caption.py FLICKR8K [--memory DIR]

PyTorch has the weights of the bundle, read back. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

import revln
from caption_quality import memory_of
from common import finish, parser
from revln.answer import Decoding
from revln.images import Transform, open_image
from revln.pipeline import caption_all
from revln.pipeline.recalling import Recaller
from revln.sources import read_split
from revln.text import pad, without_stop
from revln.train.checkpoint import load_into, tensors_of
from revln.train.config import JointConfig
from revln.train.efficientnet import scaled
from revln.train.generator import Recalled
from revln.train.generator_start import GeneratorStart
from revln.train.joint_measures import prompts_of
from revln.train.joint_model import joint_model
from revln.train.saying import say
from revln.train.starting import Start
from revln.types import ImageEncoding

BATCH, SINGLE, MANY, ROUNDS, LANGUAGE = 16, 40, 160, 3, "en"

Caption = Callable[[Sequence[Path]], list[str]]


def in_torch(memory: revln.Memory) -> Caption:
    """The same model as PyTorch runs it: float32, no gradients, greedy with a cache; recall is the memory's own."""
    bundle, config = memory.model.bundle, JointConfig()
    made_with, towers = Start.of_bundle(bundle)
    begun = GeneratorStart.of_bundle(bundle, config)
    model, tokenizer = joint_model(config, made_with, towers, begun.part).eval(), begun.part.tokenizer
    load_into(model, {**tensors_of(model), **begun.weights})
    transform, recaller = Transform(made_with.image_size, made_with.max_aspect), Recaller(memory.model, memory)

    def caption(photos: Sequence[Path]) -> list[str]:
        said: list[str] = []
        for start in range(0, len(photos), BATCH):
            part = photos[start : start + BATCH]
            pixels = np.stack([transform(open_image(path, min_side=transform.min_side)) for path in part])
            with torch.inference_mode():
                grid = towers.trunk.below(scaled(torch.from_numpy(pixels)), config.vision_blocks)
                grid = model.top.grid(grid)
                embeddings = model.images(grid)
                seen = [ImageEncoding(row[None], np.zeros((1, 0), np.float32)) for row in embeddings.numpy()]
                recalled = [recaller.recall("", one, LANGUAGE) for one in seen]
                words = [without_stop(text) for own in recalled for text in own.texts]
                coded = tokenizer.encode_batch(words, add_special_tokens=False)
                ids = torch.from_numpy(pad([coding.ids[: config.recalled_tokens] for coding in coded])[0])
                likenesses = torch.from_numpy(np.stack([own.likenesses for own in recalled]))
                shared = embeddings[:, : made_with.dim]
                context = model.generator.look(
                    grid.flatten(2).transpose(1, 2),
                    torch.nn.functional.normalize(shared, dim=-1),
                    Recalled(ids.reshape(len(part), -1, ids.shape[-1]), likenesses),
                )
                spoken = say(model.generator, context, prompts_of(tokenizer, LANGUAGE, len(part)), config.max_tokens)
            said += tokenizer.decode_batch(spoken[:, 1:].tolist())
        return said

    return caption


def in_revln(memory: revln.Memory, decoding: Decoding) -> Caption:
    """As it is installed."""
    return lambda photos: [
        answer.text for answer in caption_all(photos, memory=memory, lang=LANGUAGE, decoding=decoding)
    ]


def one_at_a_time(caption: Caption, photos: Sequence[Path]) -> list[float]:
    """Milliseconds of each."""
    taken = []
    for photo in photos:
        started = time.perf_counter()
        caption([photo])
        taken.append(1000 * (time.perf_counter() - started))
    return taken


def main() -> None:
    """Measures all."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    arguments.add_argument("--memory", type=Path, help="a memory of the training photos, made earlier")
    given = arguments.parse_args()
    photos = [given.captioned / "images" / name for name in read_split(given.captioned / "dev.txt")]
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        if given.memory is None:
            memory = memory_of(given.captioned, LANGUAGE, Path(temporary), revln.load_model(given.model))
        else:
            memory = revln.Memory.open(given.memory, create=False)
        ways = {
            "as shipped": in_revln(memory, Decoding()),
            "greedy": in_revln(memory, Decoding(beams=1)),
            "PyTorch, greedy": in_torch(memory),
        }
        single: dict[str, list[float]] = {way: [] for way in ways}
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for caption in ways.values():
            caption(photos[:BATCH])
        for number in range(ROUNDS):
            few = photos[number * SINGLE : (number + 1) * SINGLE]
            many = photos[number * MANY : (number + 1) * MANY]
            for way, caption in ways.items():
                single[way] += one_at_a_time(caption, few)
                started = time.perf_counter()
                caption(many)
                rates[way].append(len(many) / (time.perf_counter() - started))
    results = {
        way: {
            "median_ms": round(float(np.median(single[way])), 1),
            "p95_ms": round(float(np.percentile(single[way], 95)), 1),
            "captions_s": round(float(np.median(rates[way])), 1),
        }
        for way in ways
    }
    for way, figures in results.items():
        print(way, figures, flush=True)
    finish("caption", threads=torch.get_num_threads(), **results)


if __name__ == "__main__":
    main()

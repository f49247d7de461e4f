"""Sentences a second: the bundle's text tower beside MiniLM in PyTorch, on the same cores.

Captions of the dev split as they come, in lists of 64 and one at a time; medians of five rounds that take turns.

    python benchmarks/text_speed.py FLICKR8K [--model base]

MiniLM is run as its users run it: float32, no gradients, batches padded to their longest sentence, with the fast
tokenizer. Takes about a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

import revln
from common import finish, parser
from revln.sources import read_captions, read_split
from revln.text import pad
from revln.train import minilm
from revln.train.text_encoders import token_ids

BATCH, SENTENCES, SINGLE, ROUNDS = 64, 2048, 200, 5

Encode = Callable[[Sequence[str]], object]


def minilm_in_torch() -> Encode:
    """MiniLM as it is packaged."""
    encoder, tokenizer = minilm.load_pretrained().eval(), minilm.load_tokenizer()

    def encode(texts: Sequence[str]) -> object:
        ids, mask = pad(token_ids(tokenizer, texts, 64))
        with torch.inference_mode():
            return encoder(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()

    return encode


def rate(encode: Encode, texts: Sequence[str], batch: int) -> float:
    """Sentences a second."""
    started = time.perf_counter()
    for start in range(0, len(texts), batch):
        encode(texts[start : start + batch])
    return len(texts) / (time.perf_counter() - started)


def main() -> None:
    """Measures both."""
    arguments = parser(__doc__)
    arguments.add_argument("flickr8k", type=Path)
    given = arguments.parse_args()
    said = read_captions(given.flickr8k / "captions.txt")
    texts = [text for name in read_split(given.flickr8k / "dev.txt") for text in said[name][:5]][:SENTENCES]
    encoders: dict[str, Encode] = {
        "bundle": revln.load_model(given.model).encode_texts,
        "MiniLM in PyTorch": minilm_in_torch(),
    }
    results = {}
    for title, batch, count in (("in lists of 64", BATCH, SENTENCES), ("one at a time", 1, SINGLE)):
        rounds: dict[str, list[float]] = {name: [] for name in encoders}
        for encode in encoders.values():
            rate(encode, texts[:128], batch)
        for _ in range(ROUNDS):
            for name, encode in encoders.items():
                rounds[name].append(rate(encode, texts[:count], batch))
        medians = {name: float(np.median(values)) for name, values in rounds.items()}
        ratio = medians["bundle"] / medians["MiniLM in PyTorch"]
        results[title] = {**{name: round(value, 1) for name, value in medians.items()}, "ratio": round(ratio, 2)}
        print(title, results[title], flush=True)
    finish("text_speed", **results)


if __name__ == "__main__":
    main()

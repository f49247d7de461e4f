"""Search over a memory of a million records: recall, time, filters, memory, and other databases beside it.

Vectors are drawn from a seeded mixture: clusters within clusters, in the shape of the bundle's own space (a part that
images share with texts, and a part of their own). How near neighbours are to each other is printed beside the same of
real photos when a folder of them is given. Queries come from the text side: they lie in the shared part alone, far
from every image.

    python benchmarks/memory.py [--records 1000000] [--photos FOLDER --captions FILE] [--peers PYTHON] [--plot FILE]

Measured at each size from 10,000 records on, at the last size in full:

- ``Memory.search`` with records, one query at a time: recall@10 against exact search, p50 and p99; a first pass, which
  finds little of the memory's files in the page cache, is given besides;
- ids alone, in queries a second, against one bare FAISS index (IVF with 8-bit codes) of the same recall;
- a filter on an indexed column that keeps one record in a hundred: first and repeated;
- 1,000 records added and deleted: until they are found, or not;
- peak resident memory of the process that builds and of the one that searches.

Other databases (USearch, hnswlib, LanceDB, Chroma, Qdrant's local mode; ``pip install -r benchmarks/peers.txt`` into
an environment whose interpreter is given as ``--peers``) get 100,000 of the same vectors, each in a process of its
own, with their own defaults but for the metric, and then as thorough as 0.95 takes; see ``memory_peers.py``.
Takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import revln
from common import finish, parser, photos_in, resident_mb
from mixture import Mixture
from revln.models import Model
from revln.sources import read_captions
from revln.store import Row
from revln.types import Candidate, Embedding, PhotoMeta

BATCH = 16_384
QUERIES = 500
LABELS = 100
PEERS = ("usearch", "hnswlib", "lancedb", "chroma", "qdrant")


def rows(vectors: Embedding, first: int) -> list[Row]:
    """Photos without files, each with one of a hundred labels."""
    made = []
    for number, vector in enumerate(vectors, start=first):
        name = Path(f"/photos/{number // 1000}/{number}.jpg")
        candidate = Candidate("files", "image", str(name), name, 1, 1, label=f"label {number * 7919 % LABELS}")
        made.append(Row(candidate, photo=PhotoMeta(camera=f"camera {number % 7}"), image_vector=vector))
    return made


def build(memory: revln.Memory, mixture: Mixture, start: int, stop: int) -> float:
    """Adds records as a run of ``revln index`` does, without the encoding; returns the seconds it took."""
    started = time.perf_counter()
    for first in range(start, stop, BATCH):
        vectors = mixture.images(first, min(first + BATCH, stop))
        memory.table.upsert(rows(vectors, first))
        memory.keep_up()
    spent = time.perf_counter() - started
    os.sync()  # else the searches that follow wait for gigabytes to reach the disk
    return spent


def timed(work: Callable[[Any], Any], items: Sequence[Any]) -> tuple[list[Any], dict[str, float]]:
    """Results, and milliseconds in the middle and at the slow end."""
    results, spent = [], []
    for item in items:
        started = time.perf_counter()
        results.append(work(item))
        spent.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.quantile(spent, [0.5, 0.99])
    return results, {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def exact(mixture: Mixture, count: int, queries: Embedding, k: int = 10) -> np.ndarray:
    """Numbers [q, k] of the nearest images."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    names = np.zeros((len(queries), k), np.int64)
    for first in range(0, count, BATCH):
        vectors = mixture.images(first, min(first + BATCH, count))
        scores = np.concatenate([best, queries @ vectors.T], 1)
        numbers = np.concatenate([names, np.tile(np.arange(first, first + len(vectors)), (len(queries), 1))], 1)
        top = np.argsort(-scores, 1, kind="stable")[:, :k]
        best, names = np.take_along_axis(scores, top, 1), np.take_along_axis(numbers, top, 1)
    return names


def recall(found: Sequence[Sequence[int]], truth: np.ndarray) -> float:
    """Share of the true neighbours that were found."""
    pairs = zip(found, truth, strict=True)
    return round(float(np.mean([len(set(row) & set(right.tolist())) / len(right) for row, right in pairs])), 4)


def number_of(uri: str) -> int:
    """Number of a record by its path."""
    return int(Path(uri).stem)


def search(memory: revln.Memory, queries: Embedding, truth: np.ndarray) -> dict[str, Any]:
    """``Memory.search`` with records, twice: at first much has to be read from the disk, then hardly anything."""
    memory.search(vector=queries[0])
    found, first = timed(lambda query: memory.search(vector=query), queries)
    _, times = timed(lambda query: memory.search(vector=query), queries)
    names = [[number_of(hit.record.uri) for hit in hits] for hits in found]
    return {"recall@10": recall(names, truth), **times, "first pass": first}


def ids_alone(memory: revln.Memory, queries: Embedding, truth: np.ndarray) -> dict[str, Any]:
    """The index alone, without reading records."""
    searcher = memory.searcher()
    found, times = timed(lambda query: searcher.index.search(query, 10, "image").row_ids, queries)
    names = searcher.view.column("uri", np.unique(np.concatenate(found)))
    return {"recall@10": recall([[number_of(names[int(row)]) for row in rows] for rows in found], truth), **times}


def bare_faiss(mixture: Mixture, count: int, queries: Embedding, truth: np.ndarray, wanted: float) -> dict[str, Any]:
    """One FAISS index over the shared part, looking into as few lists as the wanted recall takes."""
    import faiss

    width, lists = mixture.shared, int(4 * count**0.5)
    coarse = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFScalarQuantizer(
        coarse, width, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
    )
    index.cp.niter = 8
    sample = min(count, 40 * lists)
    index.train(np.ascontiguousarray(mixture.images(0, sample)[:, :width]))
    for first in range(0, count, BATCH):
        index.add(np.ascontiguousarray(mixture.images(first, min(first + BATCH, count))[:, :width]))
    narrow = np.ascontiguousarray(queries[:, :width])
    for probed in (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512):
        index.nprobe = probed
        found, times = timed(lambda query: index.search(query[None], 10)[1][0], narrow)
        reached = recall([row.tolist() for row in found], truth)
        if reached >= wanted:
            break
    return {"recall@10": reached, "lists": lists, "probed": probed, **times}


def filtered(memory: revln.Memory, mixture: Mixture, count: int, queries: Embedding) -> dict[str, Any]:
    """A filter that keeps one record in a hundred, each label being new to the process once."""
    memory.search(vector=queries[0])
    wheres = [f"label = 'label {number}'" for number in range(0, LABELS, 5)]
    _, first = timed(
        lambda pair: memory.search(vector=pair[0], where=pair[1]), list(zip(queries, wheres, strict=False))
    )
    found, repeated = timed(lambda query: memory.search(vector=query, where=wheres[-1]), queries)
    numbers = np.arange(count)
    kept = numbers[numbers * 7919 % LABELS == LABELS - 5]
    truth = kept[np.argsort(-(queries @ mixture.take(kept).T), 1)[:, :10]]
    names = [[number_of(hit.record.uri) for hit in hits] for hits in found]
    return {"keeps": len(kept), "recall@10": recall(names, truth), "first": first, "repeated": repeated}


def changes(memory: revln.Memory, mixture: Mixture, count: int) -> dict[str, Any]:
    """1,000 records added, and deleted: seconds until a search finds them, and no longer finds them."""
    vectors = mixture.images(count, count + 1000)
    new = rows(vectors, count)
    started = time.perf_counter()
    memory.table.upsert(new)
    memory.keep_up()
    hits = memory.search(vector=vectors[-1], k=1)
    added = time.perf_counter() - started
    assert number_of(hits[0].record.uri) == count + 999
    started = time.perf_counter()
    memory.delete(ids=[row.candidate.id for row in new])
    hits = memory.search(vector=vectors[-1], k=1)
    deleted = time.perf_counter() - started
    assert number_of(hits[0].record.uri) != count + 999
    return {"add_1000_s": round(added, 2), "delete_1000_s": round(deleted, 2)}


def worker(argv: Sequence[str]) -> None:
    """One step in a process of its own, so that its peak memory is its own; prints JSON."""
    step, directory, model_name, *numbers = argv
    memory = revln.Memory.open(directory, model=model_name)
    mixture = Mixture(memory.model)
    if step == "build":
        start, stop = map(int, numbers)
        result: dict[str, Any] = {"build_s": round(build(memory, mixture, start, stop), 1)}
    else:
        count = int(numbers[0])
        queries = mixture.queries(QUERIES, count)
        truth = exact(mixture, count, queries)
        result = {"search": search(memory, queries, truth)}
        if step == "full":
            alone = ids_alone(memory, queries, truth)
            result |= {
                "ids_alone": alone,
                "filter": filtered(memory, mixture, count, queries),
                "peak_mb": resident_mb("VmHWM"),
                "faiss": bare_faiss(mixture, count, queries, truth, alone["recall@10"]),
                "changes": changes(memory, mixture, count),
            }
            ratio = result["faiss"]["p50_ms"] / alone["p50_ms"]
            result["ids_alone"]["of_bare_faiss"] = round(ratio, 2)
    result.setdefault("peak_mb", resident_mb("VmHWM"))
    print(json.dumps(result))


def step(name: str, *arguments: object) -> dict[str, Any]:
    """Runs ``worker`` in a process of its own."""
    command = [sys.executable, __file__, "--worker", name, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(name, *arguments[2:], result, flush=True)
    return result


def peers(python: str, vectors: Path, scratch: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each of the other databases, and revln, on the same vectors."""
    script = Path(__file__).with_name("memory_peers.py")
    for name in PEERS:
        command = [python, str(script), name, str(vectors), str(scratch / name)]
        # LanceDB's own calls are answered by its library with a notice each.
        environment = {**os.environ, "LANCE_LOG": "error"}
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=environment)
        lines = done.stdout.strip().splitlines()
        result = json.loads(lines[-1]) if done.returncode == 0 and lines else {"failed": done.returncode}
        print(name, result, flush=True)
        yield name, result


def likeness(mixture: Mixture, model: Model, folder: Path, captions: Path) -> dict[str, Any]:
    """Quantiles of the cosines to the 1st, 10th and 100th neighbour: real photos and captions, and the mixture."""
    said = read_captions(captions)
    photos = [photo for photo in photos_in(folder) if photo.name in said][:4000]
    images = model.encode_images(photos)
    texts = model.encode_texts([said[photo.name][0] for photo in photos[:1000]])
    mine, asked = mixture.images(0, len(images)), mixture.queries(1000, len(images))
    return {
        kind: {name: ranks(left, right, same) for name, (left, right) in {"real": real, "mixture": made}.items()}
        for kind, real, made, same in (
            ("image to image", (images, images), (mine, mine), True),
            ("text to image", (texts, images), (asked, mine), False),
        )
    }


def ranks(asked: Embedding, stored: Embedding, same: bool) -> dict[str, list[float]]:
    """Quantiles .1, .5 and .9 of the cosines at three ranks."""
    scores = asked[:1000] @ stored.T
    if same:
        scores[np.arange(len(scores)), np.arange(len(scores))] = -2
    ordered = -np.sort(-scores, axis=1)
    return {str(rank): np.quantile(ordered[:, rank - 1], [0.1, 0.5, 0.9]).round(3).tolist() for rank in (1, 10, 100)}


def plot(curve: dict[int, dict[str, Any]], path: Path) -> None:
    """Time and memory against the number of records."""
    import matplotlib.pyplot as plt

    sizes = sorted(curve)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for key, style in (("p50_ms", "o-"), ("p99_ms", "o--")):
        left.plot(sizes, [curve[size]["search"][key] for size in sizes], style, label=key.removesuffix("_ms"))
    left.set(xscale="log", xlabel="records", ylabel="ms", title="Memory.search, 10 hits with records", ylim=0)
    left.legend()
    right.plot(sizes, [curve[size]["peak_mb"] for size in sizes], "o-")
    right.set(xscale="log", xlabel="records", ylabel="MB", title="peak memory of searching", ylim=0)
    figure.savefig(path)


def main(given: argparse.Namespace) -> None:
    """Runs all steps."""
    started = time.monotonic()
    model = revln.load_model(given.model)
    mixture = Mixture(model)
    sizes = sorted({size for size in (10_000, 100_000) if size < given.records} | {given.records})
    results: dict[str, Any] = {}
    if given.photos and given.captions:
        results["neighbours"] = likeness(mixture, model, given.photos, given.captions)
        print("neighbours:", json.dumps(results["neighbours"], indent=1), flush=True)
    with tempfile.TemporaryDirectory(prefix="revln-", dir=given.scratch) as temporary:
        scratch = Path(temporary)
        directory = scratch / "memory.revln"
        curve: dict[int, dict[str, Any]] = {}
        start = 0
        for size in sizes:
            built = step("build", directory, given.model, start, size)
            found = step("full" if size == sizes[-1] else "search", directory, given.model, size)
            curve[size] = {**found, "build": built}
            start = size
            if size == 100_000 and given.peers:
                np.savez(
                    scratch / "peers.npz",
                    images=mixture.images(0, size),
                    queries=(queries := mixture.queries(QUERIES, size)),
                    truth=exact(mixture, size, queries),
                )
                results["peers at 100,000"] = dict(peers(given.peers, scratch / "peers.npz", scratch))
        results["disk_mb"] = round(sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6)
        shutil.rmtree(directory)
    if given.plot:
        plot(curve, given.plot)
    finish("memory", model=model.id, sizes=curve, **results, minutes=round((time.monotonic() - started) / 60, 1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2:])
    else:
        arguments = parser(__doc__)
        arguments.add_argument("--records", type=int, default=1_000_000)
        arguments.add_argument("--photos", type=Path, help="real photos to compare the mixture with")
        arguments.add_argument("--captions", type=Path, help="their captions")
        arguments.add_argument("--peers", help="interpreter that has the other databases")
        arguments.add_argument("--plot", type=Path, help="where to draw the curve (needs matplotlib)")
        arguments.add_argument("--scratch", type=Path, help="where there is room for 15 GB")
        main(arguments.parse_args())

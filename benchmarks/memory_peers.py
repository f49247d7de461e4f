"""One of the databases that ``memory.py`` compares with: builds, searches, prints JSON. Needs no revln.

    python benchmarks/memory_peers.py NAME VECTORS.npz DIRECTORY

Each is measured with its own defaults, and then, looking further step by step, at a recall@10 of 0.95 where it gets
there. Each database keeps beside every vector what a record has of small facts (path and label) where it can, and gives
it back with the hits; USearch and hnswlib are libraries that give back numbers alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Search = Callable[[np.ndarray], list[int]]
Searches = Iterator[tuple[str, Search]]  # by setting: the defaults first, then ever more thorough ones
K = 10
WANTED = 0.95
WIDER = (200, 400, 800, 1600, 3200)  # candidates that a search through an HNSW graph keeps


def usearch(vectors: np.ndarray, directory: Path) -> Searches:
    """An HNSW library."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16")
    index.add(np.arange(len(vectors)), vectors)
    yield "default", lambda query: index.search(query, K).keys.tolist()
    for wide in WIDER:
        index.expansion_search = wide
        yield f"expansion {wide}", lambda query: index.search(query, K).keys.tolist()


def hnswlib(vectors: np.ndarray, directory: Path) -> Searches:
    """The HNSW library of its authors."""
    import hnswlib as library

    index = library.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=100, M=16)
    index.add_items(vectors)
    for wide in (100, *WIDER):
        index.set_ef(wide)
        yield f"ef {wide}", lambda query: index.knn_query(query, K)[0][0].tolist()


def lancedb(vectors: np.ndarray, directory: Path) -> Searches:
    """With its own IVF-PQ index."""
    import lancedb as library
    import pyarrow as pa

    width = vectors.shape[1]
    numbers = np.arange(len(vectors))
    table = pa.table(
        {
            "number": numbers,
            "uri": [f"/photos/{number}.jpg" for number in numbers],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width),
        }
    )
    opened = library.connect(directory).create_table("photos", table)
    opened.create_index(metric="cosine", num_partitions=256, num_sub_vectors=width // 16)

    def search(query: np.ndarray) -> list[int]:
        asked = opened.search(query).metric("cosine").nprobes(probes).refine_factor(refined)
        return asked.select(["number", "uri"]).limit(K).to_arrow()["number"].to_pylist()

    for probes, refined in ((20, 10), (20, 50), (50, 50), (100, 100), (256, 200)):
        yield f"{probes} probes, {refined} x K refined", search


def chroma(vectors: np.ndarray, directory: Path) -> Searches:
    """Persistent, with its own HNSW index."""
    import chromadb

    client = chromadb.PersistentClient(str(directory))
    collection = client.create_collection("photos", configuration={"hnsw": {"space": "cosine"}})
    for start in range(0, len(vectors), 5000):
        part = vectors[start : start + 5000]
        numbers = range(start, start + len(part))
        collection.add(
            ids=[str(number) for number in numbers],
            embeddings=part,
            metadatas=[{"uri": f"/photos/{number}.jpg"} for number in numbers],
        )

    def search(query: np.ndarray) -> list[int]:
        found = collection.query(query_embeddings=[query], n_results=K, include=["metadatas", "distances"])
        return [int(name) for name in found["ids"][0]]

    yield "default", search
    for wide in WIDER:
        collection.modify(configuration={"hnsw": {"ef_search": wide}})
        client.clear_system_cache()  # else the index that is open goes on as it was
        collection = chromadb.PersistentClient(str(directory)).get_collection("photos")
        yield f"ef {wide}", search


def qdrant(vectors: np.ndarray, directory: Path) -> Searches:
    """Its local mode, which searches exactly."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(directory))
    client.create_collection(
        "photos", models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE, on_disk=False)
    )
    client.upload_collection(
        "photos",
        vectors=vectors,
        ids=range(len(vectors)),
        payload=({"uri": f"/photos/{number}.jpg"} for number in range(len(vectors))),
    )
    yield "exact", lambda query: [point.id for point in client.query_points("photos", query=query, limit=K).points]


def measure(search: Search, queries: np.ndarray, truth: np.ndarray, seconds: float) -> dict[str, float]:
    """Recall, and milliseconds in the middle and at the slow end, over as many queries as the seconds allow."""
    search(queries[0])
    spent, right = [], []
    for query, true in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = search(query)
        spent.append(1000 * (time.perf_counter() - started))
        right.append(len(set(found) & set(true.tolist())) / K)
        if sum(spent) > 1000 * seconds:
            break
    p50, p99 = np.quantile(spent, [0.5, 0.99]).round(2).tolist()
    return {"recall@10": round(float(np.mean(right)), 4), "p50_ms": p50, "p99_ms": p99}


def main() -> None:
    """Builds and searches one of them."""
    name, file, directory = sys.argv[1:]
    arrays = np.load(file)
    vectors, queries, truth = (arrays[key] for key in ("images", "queries", "truth"))
    started = time.perf_counter()
    kinds = {"usearch": usearch, "hnswlib": hnswlib, "lancedb": lancedb, "chroma": chroma, "qdrant": qdrant}
    result: dict[str, object] = {}
    for setting, search in kinds[name](vectors, Path(directory)):
        result.setdefault("build_s", round(time.perf_counter() - started, 1))
        found = {"setting": setting, **measure(search, queries, truth, 10)}
        result.setdefault("default", found)
        result["most thorough"] = found
        if found["recall@10"] >= WANTED:
            break
    print(json.dumps(result))


if __name__ == "__main__":
    main()

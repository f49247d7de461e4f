"""One of the databases that ``memory.py`` compares with: builds, searches, prints JSON. Needs no revln.

    python benchmarks/memory_peers.py NAME VECTORS.npz DIRECTORY

Each database keeps beside every vector what a record has of small facts (path and label) where it can, and gives it
back with the hits; USearch and hnswlib are libraries that give back numbers alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Search = Callable[[np.ndarray], list[int]]
K = 10


def usearch(vectors: np.ndarray, directory: Path) -> Search:
    """An HNSW library."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16")
    index.add(np.arange(len(vectors)), vectors)
    return lambda query: index.search(query, K).keys.tolist()


def hnswlib(vectors: np.ndarray, directory: Path) -> Search:
    """The HNSW library of its authors."""
    import hnswlib as library

    index = library.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=100, M=16)
    index.add_items(vectors)
    index.set_ef(100)
    return lambda query: index.knn_query(query, K)[0][0].tolist()


def lancedb(vectors: np.ndarray, directory: Path) -> Search:
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
        found = opened.search(query).metric("cosine").nprobes(20).refine_factor(10).select(["number", "uri"]).limit(K)
        return found.to_arrow()["number"].to_pylist()

    return search


def chroma(vectors: np.ndarray, directory: Path) -> Search:
    """Persistent, with its own HNSW index."""
    import chromadb

    collection = chromadb.PersistentClient(str(directory)).create_collection(
        "photos", configuration={"hnsw": {"space": "cosine"}}
    )
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

    return search


def qdrant(vectors: np.ndarray, directory: Path) -> Search:
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
    return lambda query: [point.id for point in client.query_points("photos", query=query, limit=K).points]


def main() -> None:
    """Builds and searches one of them."""
    name, file, directory = sys.argv[1:]
    arrays = np.load(file)
    vectors, queries, truth = (arrays[key] for key in ("images", "queries", "truth"))
    started = time.perf_counter()
    search = {"usearch": usearch, "hnswlib": hnswlib, "lancedb": lancedb, "chroma": chroma, "qdrant": qdrant}[name](
        vectors, Path(directory)
    )
    built = time.perf_counter() - started
    search(queries[0])
    spent, right = [], []
    for query, true in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = search(query)
        spent.append(1000 * (time.perf_counter() - started))
        right.append(len(set(found) & set(true.tolist())) / K)
        if sum(spent) > 60_000:
            break
    p50, p99 = np.quantile(spent, [0.5, 0.99]).round(2).tolist()
    result = {"recall@10": round(float(np.mean(right)), 4), "p50_ms": p50, "p99_ms": p99, "build_s": round(built, 1)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Embeddings, as clients of OpenAI's API ask for them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.pipeline import Memory
from serving import served_here


@pytest.mark.parametrize("asked", ["red", ["red"], ["red", "a blue thing", "green"]])
def test_numbers(client: Any, memory: Memory, asked: str | list[str]) -> None:
    told = client.post("/v1/embeddings", json={"input": asked}).json()
    texts = [asked] if isinstance(asked, str) else asked
    expected = memory.model.encode_texts(texts)
    assert [entry["index"] for entry in told["data"]] == list(range(len(texts)))
    np.testing.assert_allclose([entry["embedding"] for entry in told["data"]], expected, atol=1e-7)
    tokens = sum(len(text.split()) for text in texts)
    assert told["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert (told["object"], told["model"]) == ("list", memory.model.id)


def test_base64(client: Any, memory: Memory) -> None:
    asked = {"input": ["red", "blue"], "encoding_format": "base64", "model": "tiny", "user": "ada"}
    told = client.post("/v1/embeddings", json=asked).json()
    rows = [np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in told["data"]]
    np.testing.assert_array_equal(rows, memory.model.encode_texts(["red", "blue"]))


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"input": "red", "model": "text-embedding-3-small"}, 404),
        ({"input": "red", "dimensions": 8}, 422),
        ({"input": "red", "dimensions": 4}, 200),
        ({"input": []}, 422),
        ({"input": [1, 2]}, 422),
        ({"input": ["x"] * 257}, 422),
        ({"input": "x" * 2001}, 422),
        ({"input": "red", "encoding_format": "hex"}, 422),
        ({}, 422),
    ],
)
def test_what_can_be_asked(client: Any, asked: dict[str, Any], status: int) -> None:
    assert client.post("/v1/embeddings", json=asked).status_code == status


def test_the_official_client(memory: Memory) -> None:
    openai = pytest.importorskip("openai", reason="needs revln[openai]")
    texts = ["red", "a blue thing"]
    with served_here(memory) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        told = client.embeddings.create(model=memory.model.card.name, input=texts)
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="text-embedding-3-small", input=texts)
    np.testing.assert_allclose([row.embedding for row in told.data], memory.model.encode_texts(texts), atol=1e-6)

"""Vectors of texts, asked for and answered as in OpenAI's API, so that its clients work with this server."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import FastAPI

from revln.models import Model
from revln.serve import shapes
from revln.serve.errors import ApiError, Json
from revln.serve.requests import Embed
from revln.serve.service import Service
from revln.types import Embedding

__all__ = ["EmbeddingRoutes"]


class EmbeddingRoutes:
    """Embeddings.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        app.add_api_route(
            "/v1/embeddings",
            self.embed,
            methods=["POST"],
            response_model=shapes.Embeddings,
            tags=["embeddings"],
        )

    async def embed(self, asked: Embed) -> Json:
        """Encodes texts with the memory's model: rows of unit length, so that a dot product is a cosine."""
        texts = asked.input
        with self._service.turn():
            if len(texts) == 1:  # with those of other requests
                read = await self._service.read(texts[0])
                model, vectors = read.model, read.vector[None]
            else:
                model, vectors = await self._service.run(lambda: self._encoded(texts))
            _check(asked, model)
            tokens = await self._service.run(lambda: model.encoder.count_tokens(texts))
        in_base64 = asked.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _base64(vector) if in_base64 else vector.tolist()}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Json({"object": "list", "data": data, "model": model.id, "usage": usage})

    def _encoded(self, texts: list[str]) -> tuple[Model, Embedding]:
        model = self._memory.current_model()
        return model, model.encode_texts(texts)


def _check(asked: Embed, model: Model) -> None:
    """Refuses what another model would be needed for.

    Raises:
        ApiError: another model, or another width, is asked for.
    """
    if asked.model not in {None, model.id, model.card.name}:
        raise ApiError(404, "no_such_model", f"the memory's model is {model.id}", "leave the model out")
    if asked.dimensions not in {None, model.dim}:
        raise ApiError(422, "invalid", f"the model's vectors have {model.dim} dimensions", "leave dimensions out")


def _base64(vector: Any) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")

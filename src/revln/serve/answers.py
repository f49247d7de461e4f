"""Routes that say what an image shows, with the records that the answer rests on."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from fastapi import FastAPI
from starlette.requests import Request

from revln.pipeline.captioning import Captioner
from revln.pipeline.classification import Classifier
from revln.serve import shapes
from revln.serve.bodies import asked_in, body_schema, one_of_both
from revln.serve.errors import ApiError, Json
from revln.serve.requests import Caption, Classify
from revln.serve.service import Seen, Service
from revln.types import Answer

__all__ = ["AnswerRoutes"]

_UPLOAD = "upload"


class AnswerRoutes:
    """Classes and captions.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        for path, endpoint, body, answer in (
            ("/v1/classify", self.classify, Classify, shapes.Class),
            ("/v1/caption", self.caption, Caption, shapes.Caption),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                response_model=answer,
                openapi_extra=body_schema(body),
                tags=["answers"],
            )

    async def classify(self, request: Request) -> Json:
        """Says of which class a record's photo is, or an image in a form."""
        async with asked_in(request, Classify) as (asked, image):

            def answer(uri: str, seen: Seen) -> Answer:
                return Classifier(seen.model, self._memory, asked.labels, asked.k).classify(uri, seen.encoding)

            return await self._answered(asked.id, image, answer)

    async def caption(self, request: Request) -> Json:
        """Describes a record's photo, or an image in a form, in a sentence."""
        async with asked_in(request, Caption) as (asked, image):

            def answer(uri: str, seen: Seen) -> Answer:
                if seen.model.generator is None:
                    told = f"the model {seen.model.id} does not describe photos"
                    raise ApiError(501, "no_generator", told, "migrate the memory to a model with a generator")
                memory = self._memory if asked.memory else None
                captioner = Captioner(seen.model, memory, k=asked.k, language=asked.lang)
                return captioner.caption([(uri, seen.encoding)])[0]

            return await self._answered(asked.id, image, answer)

    async def _answered(
        self, record: str | None, image: BinaryIO | None, answer: Callable[[str, Seen], Answer]
    ) -> Json:
        one_of_both(record, image)
        with self._service.turn():
            if record is not None:
                uri = (await self._service.run(lambda: self._memory.record(record))).uri
                seen = await self._service.see_record(record)
            elif image is not None:
                uri, seen = _UPLOAD, await self._service.see(image)
            return Json((await self._service.run(lambda: answer(uri, seen))).to_dict())

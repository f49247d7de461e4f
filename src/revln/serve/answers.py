"""Routes that say what an image shows, with the records that the answer rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from revln.models import Model
from revln.pipeline import Asked, Asker
from revln.pipeline.captioning import Captioner
from revln.pipeline.classification import Classifier
from revln.serve import shapes
from revln.serve.bodies import asked_in, body_schema, one_of_both
from revln.serve.errors import ApiError, Json
from revln.serve.events import EVENTS, AnswerStream, wants_events
from revln.serve.requests import Ask, Caption, Classify
from revln.serve.service import Seen, Service
from revln.types import Answer

__all__ = ["AnswerRoutes"]

_UPLOAD = "upload"
_WAY_OUT = "migrate the memory to a model that does"
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; as it is said, where `Accept` asks for events.",
        "content": {
            EVENTS: {
                "schema": {"type": "string"},
                "example": 'event: token\ndata: {"text":"Ada"}\n\nevent: answer\ndata: {"uri":"upload", ...}\n\n',
            }
        },
    }
}


class AnswerRoutes:
    """Classes, captions, and answers to questions.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        for path, endpoint, body, answer, more in (
            ("/v1/classify", self.classify, Classify, shapes.Class, None),
            ("/v1/caption", self.caption, Caption, shapes.Caption, _EVENTS),
            ("/v1/ask", self.ask, Ask, shapes.Answer, _EVENTS),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                response_model=answer,
                responses=more,
                openapi_extra=body_schema(body),
                tags=["answers"],
            )

    async def classify(self, request: Request) -> Response:
        """Says of which class a record's photo is, or an image in a form."""
        async with asked_in(request, Classify) as (asked, image):

            def answers(uri: str, seen: Seen) -> Iterator[Answer]:
                classifier = Classifier(seen.model, self._memory, asked.labels, asked.k)
                return iter([classifier.classify(uri, seen.encoding)])

            return await self._answered(asked.id, image, answers)

    async def caption(self, request: Request) -> Response:
        """Describes a record's photo, or an image in a form, in a sentence."""
        by_word = wants_events(request)
        async with asked_in(request, Caption) as (asked, image):

            def answers(uri: str, seen: Seen) -> Iterator[Answer]:
                _check_speaks(seen.model)
                memory = self._memory if asked.memory else None
                captioner = Captioner(seen.model, memory, k=asked.k, language=asked.lang)
                if by_word:
                    return captioner.follow(uri, seen.encoding)
                return iter(captioner.caption([(uri, seen.encoding)]))

            return await self._answered(asked.id, image, answers, by_word)

    async def ask(self, request: Request) -> Response:
        """Answers a question about a record's photo, or about an image in a form, in a word."""
        by_word = wants_events(request)
        async with asked_in(request, Ask) as (asked, image):

            def answers(uri: str, seen: Seen) -> Iterator[Answer]:
                _check_answers(seen.model)
                memory = self._memory if asked.memory else None
                asker = Asker(seen.model, memory, k=asked.k, threshold=asked.threshold)
                question = Asked(uri, seen.encoding, asked.question)
                return asker.follow(question) if by_word else iter(asker.answer([question]))

            return await self._answered(asked.id, image, answers, by_word)

    async def _answered(
        self,
        record: str | None,
        image: BinaryIO | None,
        answers: Callable[[str, Seen], Iterator[Answer]],
        by_word: bool = False,
    ) -> Response:
        one_of_both(record, image)
        run = self._service.run
        with ExitStack() as held:
            held.enter_context(self._service.turn())
            if record is not None:
                uri = (await run(lambda: self._memory.record(record))).uri
                seen = await self._service.see_record(record)
            elif image is not None:
                uri, seen = _UPLOAD, await self._service.see(image)
            growing = await run(lambda: answers(uri, seen))
            first = await run(lambda: next(growing))  # what is wrong so far is told as everywhere
            if by_word:
                return AnswerStream(first, growing, run, held.pop_all())
        return Json(first.to_dict())


def _check_speaks(model: Model) -> None:
    """Refuses what takes a generator.

    Raises:
        ApiError: the model has none.
    """
    if model.generator is None:
        raise ApiError(501, "no_generator", f"the model {model.id} does not describe photos", _WAY_OUT)


def _check_answers(model: Model) -> None:
    """Refuses what takes a generator that answers.

    Raises:
        ApiError: the model has none.
    """
    if model.generator is None or not model.generator.answers:
        raise ApiError(501, "no_answers", f"the model {model.id} answers no questions", _WAY_OUT)

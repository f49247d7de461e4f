"""Routes to single records: looking at them, teaching, correcting, deleting."""

from __future__ import annotations

from typing import Annotated, Any, BinaryIO

from fastapi import FastAPI, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from revln.errors import ImageError, QueryError, RecordNotFoundError
from revln.images import decode_image, encode_thumb
from revln.retrieve import PHOTO_KINDS
from revln.serve import shapes
from revln.serve.bodies import asked_in, body_schema
from revln.serve.errors import ApiError, Json
from revln.serve.requests import Correct, Duplicates, Teach
from revln.serve.service import Service
from revln.serve.uploads import keep_upload, media_type
from revln.types import Record

__all__ = ["RecordRoutes"]

_WEBP = "image/webp"
_PREVIEW_SIDE = 1600

_RecordId = Annotated[str, Path(pattern="^[0-9a-f]{20}$", description="Id of the record.")]


class RecordRoutes:
    """Records by id.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        many, one = "/v1/records", "/v1/records/{record}"
        options: dict[str, Any] = {"response_model": shapes.Record, "tags": ["records"]}
        schema = body_schema(Teach)
        app.add_api_route(many, self.teach, methods=["POST"], status_code=201, openapi_extra=schema, **options)
        app.add_api_route(one, self.show, **options)
        app.add_api_route(one, self.correct, methods=["PATCH"], **options)
        app.add_api_route(one, self.delete, methods=["DELETE"], **options | {"response_model": shapes.Deleted})
        app.add_api_route(f"{one}/duplicates", self.duplicates, **options | {"response_model": shapes.Duplicates})
        for name, endpoint, kind in (
            ("thumb", self.thumb, _WEBP),
            ("preview", self.preview, _WEBP),
            ("file", self.file, "image/*"),
        ):
            options = {"response_class": Response, "responses": _image(kind), "tags": ["records"]}
            app.add_api_route(f"{one}/{name}", endpoint, **options)

    async def show(self, record: _RecordId) -> Json:
        """Tells what is known of a record."""
        with self._service.turn():
            return Json((await self._service.run(lambda: self._memory.record(record))).to_dict())

    async def duplicates(self, record: _RecordId, asked: Annotated[Duplicates, Query()]) -> Json:
        """Finds other records of a photo's picture: copies of its file, and versions of it.

        Versions were resized, recompressed, brightened or cropped a little. The photos nearest to it are compared with
        it, by perceptual hashes that tell versions from look-alikes. What is no photo has no duplicates.
        """
        with self._service.turn():
            found = await self._service.run(lambda: self._memory.duplicates_of(record, k=asked.k))
        return Json({"duplicates": [it.to_dict() for it in found]})

    async def thumb(self, record: _RecordId) -> Response:
        """Sends the small picture that the memory keeps of a photo, WebP of at most 256 pixels a side."""
        with self._service.turn():
            thumbs = await self._service.run(lambda: self._memory.thumbs([record]))
        if record not in thumbs:
            raise RecordNotFoundError(record)
        return Response(thumbs[record], media_type=_WEBP)

    async def preview(self, record: _RecordId) -> Response:
        """Sends a photo as every browser shows it: upright, WebP of at most 1600 pixels a side."""
        with self._service.turn():
            try:
                data = await self._service.run(lambda: self._preview(record))
            except ImageError as error:
                raise _no_file(error) from error
        return Response(data, media_type=_WEBP)

    async def file(self, record: _RecordId) -> Response:
        """Sends a photo's file as it is now.

        What lies in its place meanwhile and is no image is not sent.
        """
        with self._service.turn():
            try:
                data = await self._service.run(lambda: self._memory.photo_file(record))
            except ImageError as error:
                raise _no_file(error) from error
        kind = media_type(data)
        if kind is None:
            raise ApiError(404, "no_file", "the file is no photo any more", "index its folder again")
        name = f"{record}.{kind.rpartition('/')[2]}"
        return Response(data, media_type=kind, headers={"Content-Disposition": f'inline; filename="{name}"'})

    async def teach(self, request: Request) -> Json:
        """Teaches the memory one thing: a text, an image in a form with what is to be known of it, or an answer.

        The image is kept on the server. Sent again, it keeps its record: texts that are given replace its texts, a
        label its label. A question with its answer becomes a record of its own, about the photo of the record `id`,
        about an image that is sent, or about none; another answer to it replaces the first.
        """
        self._service.check_writable()
        async with asked_in(request, Teach) as (asked, image):
            with self._service.turn():
                taught = await self._service.write(lambda: self._taught(asked, image))
        return Json(taught.to_dict(), 201)

    async def correct(self, record: _RecordId, change: Correct) -> Json:
        """Corrects the texts or the label of a record; what is left out stays."""
        label = (change.label or "") if "label" in change.model_fields_set else None
        with self._service.turn():
            corrected = await self._service.write(lambda: self._memory.correct(record, texts=change.texts, label=label))
        return Json(corrected.to_dict())

    async def delete(self, record: _RecordId) -> Json:
        """Deletes a record; its file stays where it is."""
        with self._service.turn():
            deleted = await self._service.write(lambda: self._memory.delete(ids=[record]))
        if not deleted:
            raise RecordNotFoundError(record)
        return Json({"deleted": deleted})

    def _preview(self, record: str) -> bytes:
        data = self._memory.photo_file(record)
        return encode_thumb(decode_image(data, name=record, min_side=_PREVIEW_SIDE).image, _PREVIEW_SIDE)

    def _taught(self, asked: Teach, image: BinaryIO | None) -> Record:
        said = asked.model_dump(exclude={"id"})
        if asked.id is not None:
            return self._memory.add(image=self._photo_asked_about(asked.id, asked, image), **said)
        if image is None:
            return self._memory.add(**said)
        settings = self._service.settings
        path, is_new = keep_upload(image.read(), settings.uploads, settings.pixels)
        try:
            return self._memory.add(image=path, **said)
        except BaseException:
            if is_new:
                path.unlink(missing_ok=True)
            raise

    def _photo_asked_about(self, record: str, asked: Teach, image: BinaryIO | None) -> str:
        """The file of a photo that an answer is taught about.

        Raises:
            QueryError: something else is taught, or the record is of no photo.
        """
        if image is not None:
            raise QueryError("there is either an id or an image: give one of the two")
        if asked.question is None:
            raise QueryError("an id goes with a question and its answer: correct texts and labels with PATCH")
        found = self._memory.record(record)
        if found.kind not in PHOTO_KINDS:
            raise QueryError("the record is of no photo: leave the id out")
        return found.uri


def _no_file(error: ImageError) -> ApiError:
    return ApiError(404, "no_file", f"the photo cannot be read: {error.reason}", "see its thumb")


def _image(kind: str) -> dict[int, Any]:
    """How the OpenAPI document describes an answer that is an image."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"content": {kind: {"schema": schema}}, "description": "The image."}}

"""Bodies that are JSON, or a form with an image in it; both bind to the same shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar

import python_multipart  # noqa: F401 - what Starlette reads forms with
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from revln.errors import QueryError
from revln.serve.errors import ApiError, invalid

__all__ = ["Asked", "asked_in", "body_schema", "one_of_both"]

Shape = TypeVar("Shape", bound=BaseModel)

_JSON, _FORM = "application/json", "multipart/form-data"
_IMAGE = "image"
_MOST_FIELDS = 1500  # above all that a shape allows
_FIELD_BYTES = 64 * 1024


class Asked(NamedTuple, Generic[Shape]):
    """What a request asks.

    Attributes:
        options: all but the image.
        image: the file that was sent; on disk when it is large, and read only when it is its turn.
    """

    options: Shape
    image: BinaryIO | None


@asynccontextmanager
async def asked_in(request: Request, shape: type[Shape]) -> AsyncIterator[Asked[Shape]]:
    """What the body of a request asks; its file is open inside the block.

    Raises:
        ApiError: it is of another media type, or does not bind to the shape.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _JSON:
        body = await request.body()
        yield Asked(_bound(lambda: shape.model_validate_json(body)), None)
    elif kind == _FORM:
        async with request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_FIELD_BYTES) as form:
            image = form.get(_IMAGE)
            file = image.file if isinstance(image, UploadFile) else None
            yield Asked(_bound(lambda: shape.model_validate(_values(form, file is not None))), file)
    else:
        told = f"the body is of the type {kind or 'none'}"
        raise ApiError(415, "unsupported_media_type", told, f"send {_JSON} or {_FORM}")


def one_of_both(record: str | None, image: BinaryIO | None) -> None:
    """Makes sure that a request is about a record or an image, not about both.

    Raises:
        QueryError: it is about none, or about both.
    """
    if (record is None) == (image is None):
        raise QueryError("there is either an id or an image: give one of the two")


def body_schema(shape: type[BaseModel]) -> dict[str, Any]:
    """How the OpenAPI document describes such a body."""
    plain = shape.model_json_schema()
    image = {"type": "string", "format": "binary", "description": "An image file."}
    form = plain | {"title": f"{shape.__name__}Form", "properties": plain["properties"] | {_IMAGE: image}}
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": plain}, _FORM: {"schema": form}}}}


def _bound(bind: Callable[[], Shape]) -> Shape:
    try:
        return bind()
    except ValidationError as error:
        raise invalid(error.errors()) from error


def _values(form: FormData, has_image: bool) -> dict[str, Any]:
    """The fields of a form; those that are there several times as lists."""
    given = {name: form.getlist(name) for name in form if name != _IMAGE or not has_image}
    return {name: values[0] if len(values) == 1 else values for name, values in given.items()}

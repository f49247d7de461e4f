"""How errors are told: one JSON shape, and one table from what was raised to a status."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from revln.errors import (
    BundleError,
    ImageError,
    InputError,
    MemoryLockedError,
    MemoryStoreError,
    QueryError,
    RecordNotFoundError,
    RevlnError,
)

__all__ = ["ApiError", "Json", "add_error_handlers", "as_api_error", "invalid", "json_bytes", "unexpected"]

_logger = logging.getLogger("revln.serve")
_LOG = "the server's log says more"


def json_bytes(content: Any) -> bytes:
    """JSON in UTF-8 on one line. File names with bytes that are no UTF-8 are escaped, as JSON allows."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes \udce9, which is JSON


class Json(JSONResponse):
    """A JSON document."""

    def render(self, content: Any) -> bytes:
        """Its bytes."""
        return json_bytes(content)


class ApiError(HTTPException):
    """A request that is refused, or has failed.

    Args:
        status: of HTTP.
        code: of a few words, for programs.
        message: what is wrong, for people.
        way_out: what to do about it.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        way_out: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code, self.message, self.way_out = code, message, way_out

    def response(self) -> Json:
        """The answer that tells of it."""
        return Json({"error": self.to_dict()}, self.status_code, self.headers)

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {"code": self.code, "message": self.message} | ({"way_out": self.way_out} if self.way_out else {})


@dataclass(frozen=True, slots=True)
class _Rule:
    """How errors of a class are told.

    Attributes:
        status: of HTTP.
        code: for programs.
        split: whether messages end in ``: `` and a way out.
        message: told in the place of the error's own, which is about the inside of the server.
        retry: seconds after which it may be tried again.
    """

    status: int
    code: str
    split: bool = False
    message: str | None = None
    retry: int | None = None


# The first class that an error is of counts.
_RULES: tuple[tuple[type[RevlnError], _Rule], ...] = (
    (RecordNotFoundError, _Rule(404, "not_found", split=True)),
    (QueryError, _Rule(422, "invalid_query", split=True)),
    (ImageError, _Rule(422, "unreadable_image")),
    (InputError, _Rule(422, "invalid_input", split=True)),
    (MemoryLockedError, _Rule(423, "memory_locked", split=True, retry=5)),
    (MemoryStoreError, _Rule(503, "memory_unavailable", split=True)),
    (BundleError, _Rule(500, "model_unusable", message="the model cannot be used")),
    (RevlnError, _Rule(500, "failed", split=True)),
)
_OF_STATUS = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


def as_api_error(error: RevlnError) -> ApiError:
    """What is told of an error that revln raised."""
    rule = next(rule for kind, rule in _RULES if isinstance(error, kind))
    headers = {} if rule.retry is None else {"Retry-After": str(rule.retry)}
    if rule.message is not None:
        return ApiError(rule.status, rule.code, rule.message, _LOG, headers)
    message, colon, way_out = str(error).rpartition(": ") if rule.split else ("", "", "")
    if not colon:
        message, way_out = str(error), ""
    return ApiError(rule.status, rule.code, message, way_out or None, headers)


def invalid(errors: Iterable[Mapping[str, Any]]) -> ApiError:
    """What is told of a request that is not of the shape asked for.

    Args:
        errors: as Pydantic lists them; what was given is not repeated.
    """
    told = []
    for error in errors:
        place = ".".join(str(part) for part in error["loc"] if part != "body")
        told.append(f"{place}: {error['msg']}" if place else str(error["msg"]))
    return ApiError(422, "invalid", "; ".join(told) or "the request is not of the shape asked for")


def unexpected(error: Exception) -> ApiError:
    """What is told of an error that nobody has thought of: nothing of the inside of the server.

    The log has its kind and place, without its text, which may hold what was asked for.
    """
    _logger.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return ApiError(500, "internal", "something went wrong in the server", _LOG)


def add_error_handlers(app: Any) -> None:
    """Has an application tell all its errors in the one shape."""

    async def of_http(_: Request, error: HTTPException) -> Json:
        if isinstance(error, ApiError):
            return error.response()
        code = _OF_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "failed")
        return ApiError(error.status_code, code, str(error.detail).lower(), headers=error.headers).response()

    async def of_shape(_: Request, error: RequestValidationError) -> Json:
        return invalid(error.errors()).response()

    async def of_revln(_: Request, error: RevlnError) -> Json:
        return as_api_error(error).response()

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_shape)
    app.add_exception_handler(RevlnError, of_revln)

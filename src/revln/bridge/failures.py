"""What the official client raises, as errors that name the endpoint and the way out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from revln.bridge.replies import excerpt
from revln.config import Endpoint
from revln.errors import GeneratorError

__all__ = ["failure_of", "shown"]


def shown(endpoint: Endpoint) -> str:
    """The address of an endpoint, without what may be secret in it."""
    parts = urlsplit(endpoint.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def failure_of(error: Any, endpoint: Endpoint, model: str, retries: int) -> GeneratorError:
    """What an ``openai.OpenAIError`` means for the user.

    Args:
        error: that was raised.
        endpoint: that was asked.
        model: that was asked for.
        retries: that were made.
    """
    import openai

    where = shown(endpoint)
    if isinstance(error, openai.APITimeoutError):
        return GeneratorError(
            f"{where}: no answer within {endpoint.timeout:g} s, {retries + 1} times: use a smaller model, or set "
            "REVLN_OPENAI_TIMEOUT to more seconds"
        )
    if isinstance(error, openai.APIConnectionError):
        cause = without_key(str(error.__cause__ or error), endpoint)
        return GeneratorError(
            f"{where}: cannot be reached ({cause}): start the server, or set REVLN_OPENAI_BASE_URL", lasting=True
        )
    if isinstance(error, openai.APIStatusError):
        return _refusal(error.status_code, f"{where}: {error.status_code}{_said(error, endpoint)}", model, retries)
    cause = without_key(str(error), endpoint)
    return GeneratorError(f"{where}: replied with what is no chat completion ({cause}): see that it serves that")


def _refusal(status: int, what: str, model: str, retries: int) -> GeneratorError:
    match status:
        case 401 | 403:
            return GeneratorError(
                f"{what}: the key is missing or refused: set the endpoint's key as REVLN_OPENAI_API_KEY", lasting=True
            )
        case 404:
            return GeneratorError(
                f"{what}: no model {model!r} there, or no such address: name one that it has; a base URL mostly ends "
                "in /v1",
                lasting=True,
            )
        case 429:
            return GeneratorError(
                f"{what}: too many requests or no quota left, after {retries} retries: wait, or see to your account"
            )
        case _ if status >= 500:
            return GeneratorError(f"{what}: it failed, {retries} retries included: look at its own log, or try later")
        case _:
            return GeneratorError(f"{what}: it refuses the request: use a model that takes images")


def _said(error: Any, endpoint: Endpoint) -> str:
    """The endpoint's own words, where it has some."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    return f" ({without_key(said, endpoint)})" if isinstance(said, str) and said.strip() else ""


def without_key(said: str, endpoint: Endpoint) -> str:
    """An endpoint's words on one line; it may have repeated the key."""
    return excerpt(said.replace(endpoint.key, "[key]") if endpoint.key else said)

"""A model behind an endpoint that speaks OpenAI's protocol of chat completions.

The protocol: https://platform.openai.com/docs/api-reference/chat. Many servers speak it, on one's own machine as well.
"""

from __future__ import annotations

import base64
import threading
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from revln.bridge.failures import failure_of, shown, without_key
from revln.bridge.prompts import chat_system, chat_user
from revln.bridge.replies import parse_reply
from revln.config import Endpoint
from revln.errors import GeneratorError, InputError, MissingExtraError
from revln.text import encodable
from revln.types import WriteReply, WriteRequest

__all__ = ["ChatWriter"]

_RETRIES = 2  # with growing pauses, or as long as the endpoint asks for: the client sees to it
_NEEDS_KEY = "api.openai.com"
_NO_KEY = "none"  # the client wants some
_REFUSED_FORM = (400, 422)  # what endpoints answer that do not know ``response_format``


class ChatWriter:
    """Writes with a model of an endpoint, which is sent the photo and the evidence. Safe in threads.

    Args:
        model: as the endpoint names it.
        endpoint: where it is asked.

    Raises:
        MissingExtraError: the client is not installed.
        InputError: the address is none.
        GeneratorError: the endpoint needs a key, and there is none.
    """

    looks = True

    def __init__(self, model: str, endpoint: Endpoint) -> None:
        host = _host(endpoint.url)
        self._model, self._endpoint = model, endpoint
        self._who = f"{model} at {shown(endpoint)}"
        self._takes_form = True
        self._opening = threading.Lock()
        if endpoint.key is None and host == _NEEDS_KEY:
            raise GeneratorError(
                f"{shown(endpoint)}: needs a key: set OPENAI_API_KEY, or REVLN_OPENAI_BASE_URL for another endpoint",
                lasting=True,
            )
        try:
            import openai  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("openai", "openai") from error

    @cached_property
    def _client(self) -> Any:
        import openai

        endpoint = self._endpoint
        key = endpoint.key or _NO_KEY
        return openai.OpenAI(base_url=endpoint.url, api_key=key, timeout=endpoint.timeout, max_retries=_RETRIES)

    def write(self, request: WriteRequest) -> WriteReply:
        """Asks the model about one photo.

        Raises:
            GeneratorError: the endpoint or the model fails.
        """
        said = self._said(_messages(request))
        return parse_reply(said, [hit.record.id for hit in request.evidence], self._who)

    def _said(self, messages: list[dict[str, Any]]) -> str:
        completion = self._completion(messages)
        try:
            said = completion.choices[0].message.content
        except (AttributeError, IndexError, TypeError):  # the client hands on whatever JSON or text there is
            said = None
        if not isinstance(said, str):
            raise GeneratorError(
                f"{shown(self._endpoint)}: replied with what is no chat completion, or an empty one: see that the base "
                "URL is that of such an endpoint; it mostly ends in /v1"
            )
        return said

    def _completion(self, messages: list[dict[str, Any]]) -> Any:
        import openai

        with self._opening:
            create = self._client.chat.completions.create
        try:
            if self._takes_form:
                try:
                    return create(model=self._model, messages=messages, response_format={"type": "json_object"})
                except openai.APIStatusError as error:
                    if error.status_code not in _REFUSED_FORM:
                        raise
            found = create(model=self._model, messages=messages)
            self._takes_form = False
            return found
        except openai.OpenAIError as error:
            # Without its cause, whose text an endpoint may have written the key into.
            raise failure_of(error, self._endpoint, self._model, _RETRIES) from None
        except ValueError as error:  # no JSON, whatever its header says
            cause = without_key(str(error), self._endpoint)
            raise GeneratorError(
                f"{shown(self._endpoint)}: replied with no JSON ({cause}): see that the base URL is right"
            ) from None


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # Without the address, which may hold a secret anywhere when it is none.
        raise InputError(
            "the base URL is no address of an endpoint: set REVLN_OPENAI_BASE_URL to one like http://127.0.0.1:8080/v1"
        )
    return parts.hostname


def _messages(request: WriteRequest) -> list[dict[str, Any]]:
    (text,) = encodable([chat_user(request)])
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if request.photo is not None:
        encoded = base64.b64encode(request.photo).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}})
    return [{"role": "system", "content": chat_system(request)}, {"role": "user", "content": parts}]

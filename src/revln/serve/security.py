"""Who may ask: the host that was asked for, the page that asks, and the token.

A browser on this machine can reach a server on its loopback address, and so can every page that it shows. Two tricks
are met here: a page asks the address itself (it then has to say so in ``Origin`` or ``Sec-Fetch-Site``), or it has the
name of its own site point to this machine, so that the browser takes the server for that site (``Host`` then has the
name). A number in ``Host`` is no such name.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from revln.serve.errors import ApiError
from revln.serve.settings import Settings, is_any_address, is_loopback

__all__ = ["OPEN_PATHS", "Gate", "add_security_headers"]

OPEN_PATHS = frozenset({"/health", "/ready", "/"})
"""What is answered without a token: whether the server is there, and the page without anything that it holds."""

_PAGE = "/"
_FILES_OF_PAGE = "/page/"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_OTHER_SITES = frozenset({"cross-site", "same-site"})
_HOST = re.compile(r"(?:\[(?P<number>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?")


class Gate:
    """Turns away who may not ask.

    Args:
        app: answers those who may.
        settings: say who may.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._expected = None if settings.token is None else settings.token.encode()
        self._names = {settings.host.lower(), *(name.lower() for name in settings.names)}
        self._any_number = is_any_address(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; of other connections only the server's own start and end."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refused = self._foreign(headers, scope["path"]) or self._unknown(headers, scope["path"])
            if refused is not None:
                await refused.response()(scope, receive, send)
                return
        if scope["type"] in {"http", "lifespan"}:
            await self._app(scope, receive, send)

    def _foreign(self, headers: Headers, path: str) -> ApiError | None:
        """Why a request is of another site."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(_name(hosts[0])):
            return ApiError(403, "foreign_host", "the Host of the request is not this server", "see --allow-host")
        origins = headers.getlist("origin")
        # Of one address and port; what a proxy before the server made of the scheme, nobody knows here.
        if any(urlsplit(origin).netloc.lower() != hosts[0].lower() for origin in origins):
            return ApiError(403, "foreign_origin", "the page that asks is of another site")
        # A link elsewhere may lead to the page, which holds nothing; what the page asks for comes from itself.
        is_link = path == _PAGE and headers.get("sec-fetch-dest") == "document"
        if headers.get("sec-fetch-site", "").lower() in _OTHER_SITES and not is_link:
            return ApiError(403, "foreign_origin", "the page that asks is of another site")
        return None

    def _is_ours(self, name: str | None) -> bool:
        if name is None:
            return False
        return name in self._names or is_loopback(name) or (self._any_number and _is_number(name))

    def _unknown(self, headers: Headers, path: str) -> ApiError | None:
        """Why a request that shows no token, or another, is not answered."""
        if self._expected is None or path in OPEN_PATHS or path.startswith(_FILES_OF_PAGE):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._expected):
            return None
        challenge = {"WWW-Authenticate": "Bearer"}
        return ApiError(
            401, "token_needed", "the token is missing or wrong", "send it as Authorization: Bearer TOKEN", challenge
        )


def add_security_headers(send: Send) -> Send:
    """What an answer says about itself, so that no page of another site can use or show it."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return wrapped


def _name(host: str) -> str | None:
    """The name or number in a ``Host``, without its port."""
    found = _HOST.fullmatch(host.lower())
    return found and (found["number"] or found["name"])


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

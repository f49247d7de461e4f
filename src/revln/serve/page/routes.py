"""The routes of the page. They tell nothing of what the memory holds, so they need no token."""

from __future__ import annotations

from fastapi import FastAPI
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from revln.serve.page.assets import assets, strings
from revln.serve.page.language import COOKIE, LANGUAGES, choose_language
from revln.serve.service import Service

__all__ = ["PageRoutes"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class PageRoutes:
    """The page at ``/`` and its files.

    Args:
        service: says what the server allows.
    """

    def __init__(self, service: Service) -> None:
        self._settings = service.settings
        self._assets, self._strings = assets(), strings()
        loader = PackageLoader("revln.serve", "page/templates")
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._template = environment.get_template("index.html")

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application; they are no part of its API."""
        app.add_api_route("/", self.page, include_in_schema=False)
        app.add_api_route("/page/{name}", self.asset, include_in_schema=False)

    async def page(self, request: Request) -> Response:
        """Sends the page, in the language of who asks."""
        language = choose_language(request.cookies.get(COOKIE), request.headers.get("accept-language", ""))
        html = self._template.render(
            language=language,
            tag=LANGUAGES[language],
            t=self._strings[language],
            writes=not self._settings.read_only,
            token=self._settings.token is not None,
        )
        headers = {"Content-Security-Policy": _POLICY, "Vary": "Accept-Language, Cookie"}
        return HTMLResponse(html, headers=headers)

    async def asset(self, name: str, request: Request) -> Response:
        """Sends a file of the page, unless the browser has it."""
        found = self._assets.get(name)
        if found is None:
            raise HTTPException(404, "not found")
        headers = {"ETag": found.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.data, media_type=found.media_type, headers=headers)

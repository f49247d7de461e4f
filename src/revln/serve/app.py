"""The application: routes inside, and around them what every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from revln._version import __version__
from revln.serve import shapes
from revln.serve.answers import AnswerRoutes
from revln.serve.browsing import BrowsingRoutes
from revln.serve.embeddings import EmbeddingRoutes
from revln.serve.errors import add_error_handlers
from revln.serve.indexing import JobRoutes
from revln.serve.limits import Limits
from revln.serve.metrics import Observed
from revln.serve.page import PageRoutes
from revln.serve.records import RecordRoutes
from revln.serve.search import SearchRoutes
from revln.serve.security import Gate
from revln.serve.service import Service
from revln.serve.state import StateRoutes

__all__ = ["make_app"]

_ROUTES = (
    SearchRoutes,
    BrowsingRoutes,
    AnswerRoutes,
    RecordRoutes,
    JobRoutes,
    EmbeddingRoutes,
    StateRoutes,
    PageRoutes,
)
_DESCRIPTION = """One memory of photos and other knowledge: search, classes, captions, answers, teaching.

Errors of all routes have one shape. A server with a token wants it as `Authorization: Bearer TOKEN`."""


def make_app(service: Service) -> FastAPI:
    """The ASGI application over a service, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="revln",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={
            "4XX": {"model": shapes.Error, "description": "The request is refused, and why."},
            "5XX": {"model": shapes.Error, "description": "The server has failed, or is busy."},
        },
    )
    add_error_handlers(app)
    for routes in _ROUTES:
        routes(service).add_to(app)
    # The last added is the first to be passed.
    app.add_middleware(Limits, settings=service.settings)
    app.add_middleware(Gate, settings=service.settings)
    app.add_middleware(Observed, metrics=service.metrics)
    return app

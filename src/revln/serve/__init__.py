"""The HTTP API over one memory (extra: serve). See ``docs/serve.md``."""

from __future__ import annotations

from revln.serve.app import make_app
from revln.serve.server import listen, run
from revln.serve.service import Service
from revln.serve.settings import Settings

__all__ = ["Service", "Settings", "listen", "make_app", "run"]

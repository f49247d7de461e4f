"""One memory for the clients of the Model Context Protocol (extra: mcp). See ``docs/mcp.md``."""

from __future__ import annotations

from revln.mcp.server import make_server, run
from revln.mcp.service import Service
from revln.mcp.settings import Settings

__all__ = ["Service", "Settings", "make_server", "run"]

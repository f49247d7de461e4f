"""The page that people use: HTML from templates, and the scripts, style and words that go with it."""

from __future__ import annotations

from revln.serve.page.routes import PageRoutes

__all__ = ["PageRoutes"]

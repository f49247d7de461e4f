"""Results as pages to look at."""

from __future__ import annotations

from revln.report.contact_sheet import Section, Tile, answer_tiles, contact_sheet, hit_tiles, write_page

__all__ = ["Section", "Tile", "answer_tiles", "contact_sheet", "hit_tiles", "write_page"]

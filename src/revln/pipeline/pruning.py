"""Records of what a source no longer holds, though the file that held it is still there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from revln.retrieve.scope import PHOTO_KINDS
from revln.store import Known, Snapshot
from revln.store.words import sql_string
from revln.types import Candidate, Skipped

__all__ = ["Census"]


class Census:
    """What a run meets: records that the memory held before, and files that hold several.

    Such a file (a table, a note, questions, an archive) is read from one end to the other, so what a run does not meet
    in it is no longer there. Of a photo in a file of its own that cannot be said, which may be excluded this time.

    Args:
        known: what the memory held.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._met = np.zeros(len(known), bool)
        self._files: set[str] = set()

    def meet(self, candidate: Candidate) -> None:
        """Takes down what a source offers."""
        place = self._known.place(candidate.id)
        if place is not None:
            self._met[place] = True
        if candidate.kind not in PHOTO_KINDS or str(candidate.path) != candidate.uri:
            self._files.add(str(candidate.path))

    def unmet(self, snapshot: Snapshot, source: str, roots: Sequence[Path], skipped: Sequence[Skipped]) -> list[str]:
        """Ids of the records of a source that are gone from the files that were read, once all has been met.

        A file of which anything was skipped loses nothing: what is damaged today is not gone.

        Args:
            snapshot: the memory.
            source: name of the source.
            roots: what was asked to be indexed; of the files among them those count that hold nothing any more.
            skipped: what could not be used.
        """
        read = self._files | {str(root) for root in roots if root.is_file()}
        read -= {skip.path for skip in skipped}
        photos = ", ".join(map(sql_string, PHOTO_KINDS))
        own = f"source = {sql_string(source)} AND kind"
        knowledge = (record for record, uri in snapshot.uris(f"{own} NOT IN ({photos})") if uri in read)
        within = tuple(f"{path}{os.sep}" for path in read)
        members = (record for record, uri in snapshot.uris(f"{own} IN ({photos})") if uri.startswith(within))
        return [record for record in chain(knowledge, members) if self._is_unmet(record)]

    def _is_unmet(self, record: str) -> bool:
        place = self._known.place(record)  # None for what came in while the run went on
        return place is not None and not self._met[place]

"""How rare words and phrases are in a memory, by a sample of what it says."""

from __future__ import annotations

import numpy as np

from revln.metrics import Rarity
from revln.store import Snapshot
from revln.text import caption_tokens, written_in

__all__ = ["RarityReader"]

_SAMPLE = 500
_CHANGE = 0.1
_SAYS_SOMETHING = "kind != 'qa' AND array_length(texts) > 0"


class RarityReader:
    """Reads a sample, anew when the number of records has changed by a tenth."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, Rarity]] = {}

    def read(self, snapshot: Snapshot, language: str) -> Rarity:
        """That of what is said in a language; words that the sample lacks are the rarest."""
        records, last = snapshot.count(), self._last.get(language)
        if last is None or abs(records - last[0]) > _CHANGE * last[0]:
            last = self._last[language] = (records, _rarity(snapshot, language))
        return last[1]


def _rarity(snapshot: Snapshot, language: str) -> Rarity:
    rows = snapshot.row_ids(_SAYS_SOMETHING)
    sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).astype(np.int64))]
    said = [
        [caption_tokens(text, language) for text in record.told if written_in(text, language)]
        for record in snapshot.records(sample).values()
    ]
    return Rarity([texts for texts in said if texts])

"""What the memory recalls in training, against a plain loop over everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from revln.train import recall
from revln.train.recall import candidates

PHOTOS, WEIGHTS = 9, torch.tensor([3.0, 2.0])
OWNERS = np.repeat(np.arange(PHOTOS), [2, 0, 3, 1, 2, 4, 1, 0, 2])  # two photos have no text


@pytest.fixture
def vectors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, photos and texts."""
    chance = torch.Generator().manual_seed(0)
    queries, images, texts = (
        F.normalize(torch.randn(count, 6, generator=chance), dim=-1) for count in (PHOTOS, PHOTOS, len(OWNERS))
    )
    return queries, images, texts


def by_hand(queries: torch.Tensor, images: torch.Tensor, texts: torch.Tensor, count: int, own: bool) -> list[list[int]]:
    found = []
    for number, query in enumerate(queries.numpy()):
        best: dict[int, tuple[float, int]] = {}
        for place, owner in enumerate(OWNERS.tolist()):
            score = 3 * float(query @ images[owner].numpy()) + 2 * float(query @ texts[place].numpy())
            if not (own and owner == number):
                best[owner] = max(best.get(owner, (-np.inf, -1)), (score, place))
        found.append([place for _, place in sorted(best.values(), reverse=True)][:count])
    return found


@pytest.mark.parametrize("own", [False, True])
def test_candidates_are_the_best_text_of_each_of_the_best_photos(
    vectors: tuple[torch.Tensor, ...], own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "_CHUNK", 4)  # the last chunk is not full
    queries, images, texts = vectors
    found = candidates(queries, images, texts, OWNERS, WEIGHTS, 4, range(PHOTOS) if own else None)
    assert found.tolist() == by_hand(queries, images, texts, 4, own)


def test_a_photo_never_recalls_its_own_texts(vectors: tuple[torch.Tensor, ...]) -> None:
    """Not even the photo that it is most like: itself. Each other photo is recalled by one text."""
    _, images, texts = vectors
    found = candidates(images, images, texts, OWNERS, WEIGHTS, 6, range(PHOTOS))
    for photo, own in enumerate(OWNERS[found].tolist()):
        assert photo not in own
        assert len(set(own)) == 6


def test_of_a_small_memory_some_come_twice(vectors: tuple[torch.Tensor, ...]) -> None:
    """But never one's own; where no other photo has a text there is none."""
    queries, images, texts = vectors
    owners = np.array([0, 0, 1])
    found = candidates(queries[:3], images[:3], texts[:3], owners, WEIGHTS, 4, [0, 1, 2])
    assert found[0].tolist() == [2] * 4
    assert set(found[1].tolist()) <= {0, 1}
    assert found[2].tolist() == [*found[2, :2].tolist()] * 2
    assert candidates(queries[:1], images[:1], texts[:1], np.array([0]), WEIGHTS, 3, [0]).tolist() == [[-1] * 3]

"""The losses, by numbers that a person can compute."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from revln.train.losses import info_nce, siglip

EYE = torch.eye(2)
SAME = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
TWO = torch.tensor(math.log(2.0))


def random_rows(count: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_info_nce_by_hand() -> None:
    # Scale 2: rows (2, 2) and (0, 0) give log 2 each; columns are (2, 0) and (2, 0), the second one's pair being 0.
    column = math.log(math.exp(2) + 1)
    expected = (math.log(2) + (column - 2 + column) / 2) / 2
    assert info_nce(EYE, SAME, TWO).item() == pytest.approx(expected, rel=1e-5)


def test_scale_is_bounded() -> None:
    assert info_nce(EYE, SAME, torch.tensor(50.0)) == info_nce(EYE, SAME, torch.tensor(math.log(100.0)))


def test_several_positives_by_hand() -> None:
    # One photo with two captions, another with one; logits (2, 2, 0) and (0, 0, 2).
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    positives = torch.tensor([0, 1])[:, None] == torch.tensor([0, 0, 1])
    first, second = math.log(2 * math.exp(2) + 1) - 2, math.log(math.exp(2) + 2) - 2
    column = math.log(math.exp(2) + 1) - 2
    expected = ((first + second) / 2 + column) / 2
    assert info_nce(EYE, texts, TWO, positives).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("hardness", [0.0, 0.5])
def test_owners_that_are_alone_give_plain_info_nce(hardness: float) -> None:
    images, texts, owners = random_rows(6, 0), random_rows(6, 1), torch.tensor([4, 0, 9, 2, 7, 5])
    plain = info_nce(images, texts, TWO, hardness=hardness)
    torch.testing.assert_close(info_nce(images, texts, TWO, owners[:, None] == owners, hardness), plain)


def test_captions_of_one_photo_do_not_repel_each_other() -> None:
    images, texts = SAME, SAME  # the same photo twice, with captions alike
    owners = torch.tensor([3, 3])
    assert info_nce(images, texts, TWO, owners[:, None] == owners).item() == pytest.approx(math.log(2))
    texts = texts.clone().requires_grad_()
    info_nce(images, texts, TWO, owners[:, None] == owners).backward()
    torch.testing.assert_close(texts.grad, torch.zeros(2, 2))


def test_hard_negatives_by_hand() -> None:
    # Logits of the first photo: its caption 2, negatives 1 and 0; with beta 1 these weigh 2e/(e+1) and 2/(e+1).
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    texts = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)], [0.0, 1.0]])
    logits = 2 * images @ texts.T
    expected = 0.0
    for matrix in (logits.tolist(), logits.T.tolist()):
        for row, values in enumerate(matrix):
            negatives = [value for column, value in enumerate(values) if column != row]
            mean = sum(math.exp(value) for value in negatives) / len(negatives)
            weighted = sum(math.exp(value) / mean * math.exp(value) for value in negatives)
            expected += math.log(math.exp(values[row]) + weighted) - values[row]
    e = math.e
    assert math.exp(1) / ((e + 1) / 2) == pytest.approx(2 * e / (e + 1))
    assert info_nce(images, texts, TWO, hardness=1.0).item() == pytest.approx(expected / 6, rel=1e-5)


def test_hardness_only_matters_among_negatives() -> None:
    images, texts = random_rows(8, 2), random_rows(8, 3)
    plain, hard = (info_nce(images, texts, TWO, hardness=beta) for beta in (0.0, 2.0))
    assert hard > plain
    # A single negative has nobody to be harder than.
    torch.testing.assert_close(info_nce(images[:2], texts[:2], TWO, hardness=2.0), info_nce(images[:2], texts[:2], TWO))


def test_batch_without_negatives_has_a_finite_gradient() -> None:
    images, texts = random_rows(2, 4), random_rows(2, 5).requires_grad_()
    loss = info_nce(images, texts, TWO, torch.ones(2, 2, dtype=torch.bool), hardness=1.0)
    loss.backward()
    assert loss.isfinite()
    assert texts.grad is not None
    assert texts.grad.isfinite().all()


def test_siglip_by_hand() -> None:
    def softplus(x: float) -> float:
        return math.log(1 + math.exp(x))

    # Scale 2, bias -1: logits (1, 1) and (-1, -1); pairs are the diagonal.
    expected = (softplus(-1) + softplus(1) + softplus(-1) + softplus(1)) / 2
    loss = siglip(EYE, SAME, TWO, torch.tensor(-1.0))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    # Both captions belong to the first photo.
    positives = torch.tensor([[True, True], [False, False]])
    loss = siglip(EYE, SAME, TWO, torch.tensor(-1.0), positives)
    assert loss.item() == pytest.approx(4 * softplus(-1) / 2, rel=1e-5)


def test_siglip_learns_scale_and_bias() -> None:
    scale, bias = torch.tensor(math.log(10.0), requires_grad=True), torch.tensor(-10.0, requires_grad=True)
    siglip(random_rows(4, 0), random_rows(4, 1), scale, bias).backward()
    assert scale.grad is not None
    assert bias.grad is not None
    assert bias.grad < 0  # at the start too few pairs are believed

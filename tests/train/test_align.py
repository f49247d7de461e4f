"""Training and export end to end, on a data set of colours."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from revln.errors import InputError
from revln.models import load_model
from revln.train import align as align_module
from revln.train.align import AlignData, align, info_nce
from revln.train.config import AlignConfig
from revln.train.export import export, shipped_photos

CONFIG = AlignConfig(
    name="colours",
    vision="lite0",
    image_size=64,
    dim=16,
    visual_dim=8,
    hidden=16,
    views=2,
    epochs=4,
    batch_size=8,
    head_rate=5e-3,
    prototypes=8,
    ema=0.5,
)


def test_info_nce_by_hand() -> None:
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    # Scale 2: rows (2, 2) and (0, 0) give log 2 each; columns are (2, 0) and (2, 0), the second one's pair being 0.
    column = math.log(math.exp(2) + 1)
    expected = (math.log(2) + (column - 2 + column) / 2) / 2
    assert info_nce(images, texts, torch.tensor(math.log(2.0))).item() == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def run(caption_data: AlignData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    align(CONFIG, caption_data, out)
    return out


@pytest.mark.slow
def test_training_learns(run: Path) -> None:
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    assert epochs[-1]["loss"] < epochs[0]["loss"]


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_weights(
    run: Path, caption_data: AlignData, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run.parent / "killed"
    save = align_module._Run.save_checkpoint

    def save_and_die(self: align_module._Run) -> None:
        save(self)
        if self.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(align_module._Run, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        align(CONFIG, caption_data, out)
    monkeypatch.undo()
    with pytest.raises(InputError, match="--resume"):
        align(CONFIG, caption_data, out)
    align(CONFIG, caption_data, out, resume=True)
    lines = [(path / "metrics.jsonl").read_text().splitlines() for path in (run, out)]
    whole, resumed = ([json.loads(line) for line in part] for part in lines)
    assert [epoch["loss"] for epoch in resumed] == pytest.approx([epoch["loss"] for epoch in whole], abs=1e-3)
    weights = [load_file(path / "towers.safetensors") for path in (run, out)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_another_configuration_is_not_resumed(run: Path, caption_data: AlignData) -> None:
    import dataclasses

    with pytest.raises(InputError, match="another configuration"):
        align(dataclasses.replace(CONFIG, dim=17), caption_data, run, resume=True)


@pytest.mark.slow
def test_export_gives_a_bundle_that_verifies_and_searches(run: Path, caption_data: AlignData, tmp_path: Path) -> None:
    unrelated = ["an electricity bill", "a map of the underground", "an x-ray", "a spreadsheet"]
    card = export(run, caption_data, unrelated, shipped_photos(2), tmp_path / "bundle")
    model = load_model(tmp_path / "bundle")
    assert model.id == card.id
    assert model.verify() == []
    assert model.dim == 24
    recall = card.numbers["dev split"]
    assert recall["images"] == 8
    images = model.encode_images(sorted(caption_data.images.glob("*.jpg"))[:4])
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"bundle"}


def test_export_without_a_run_says_what_to_do(caption_data: AlignData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train first"):
        export(tmp_path, caption_data, [], [], tmp_path / "bundle")


def test_split_without_captions_is_named(caption_data: AlignData, tmp_path: Path) -> None:
    import dataclasses

    split = tmp_path / "train.txt"
    split.write_text("nowhere.jpg\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"nowhere\.jpg"):
        align(CONFIG, dataclasses.replace(caption_data, train=split), tmp_path / "run")

"""The CNN learns to tell the labels of photos, from its ImageNet weights or from scratch."""

from __future__ import annotations

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from revln.errors import ConfigError, InputError
from revln.images import open_image
from revln.sources import read_split
from revln.train import augmentation, efficientnet
from revln.train.align import align
from revln.train.augmentation import augmented, mixed, smoothed
from revln.train.checkpoint import read_tensors
from revln.train.cli import app
from revln.train.config import VisionConfig
from revln.train.export import draft_bundle, load_run
from revln.train.labelled_photos import LabelledPhotos
from revln.train.learner import Learner
from revln.train.loop import Draw
from revln.train.pairs import AlignData
from revln.train.photo_classifier import CNN_FILE, read_cnn
from revln.train.run_directory import RunDirectory
from revln.train.starting import Start
from revln.train.towers import ImageTower
from revln.train.vision import Classify, classify
from small_training import COLOURS

FROZEN = VisionConfig(image_size=64, blocks=1, views=2, epochs=3, batch_size=8, ema=0.5, head_rate=1e-2)
SCRATCH = dataclasses.replace(FROZEN, pretrained=False, image_size=32, vision_rate=2e-3, layer_decay=1.0)
CLASSIFIER_ALONE = dataclasses.replace(FROZEN, blocks=0)


def read(folder: Path) -> tuple[LabelledPhotos, LabelledPhotos]:
    return LabelledPhotos.in_folder(folder).split(0.2, seed=0)


@pytest.fixture(scope="module")
def trained(labelled_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "frozen"
    classify(FROZEN, labelled_photos, out)
    return out


@pytest.fixture
def copied(labelled_photos: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(labelled_photos, tmp_path / "photos"))


def test_photos_of_a_folder(copied: Path) -> None:
    (copied / "red").rename(copied / "dark_red")
    (copied / "blue" / "sky").mkdir()
    (copied / "blue" / "0.jpg").rename(copied / "blue" / "sky" / "a.jpg")
    (copied / "blue" / "1.jpg").rename(copied / "blue" / "sky" / "b.jpg")
    shutil.copy(copied / "blue" / "2.jpg", copied / "of no label.jpg")
    (copied / "blue" / "notes.txt").write_text("blue", encoding="utf-8")
    photos = LabelledPhotos.in_folder(copied)
    assert photos.labels == ("blue", "dark red", "green", "sky")
    assert np.bincount(photos.owners).tolist() == [8, 10, 10, 2]
    assert photos.names[-2:] == ("blue/sky/a.jpg", "blue/sky/b.jpg")
    assert all(path.is_file() for path in photos.paths)
    assert np.bincount(LabelledPhotos.in_folder(copied, 3).owners).tolist() == [3, 3, 3, 2]


def test_unreadable_photos_are_named_and_left_out(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = (copied / "green" / "4.jpg").read_bytes()
    (copied / "green" / "4.jpg").write_bytes(data[: len(data) // 2])
    (copied / "red" / "5.jpg").write_text("no photo", encoding="utf-8")
    photos = LabelledPhotos.in_folder(copied)
    assert np.bincount(photos.owners).tolist() == [10, 9, 9]
    assert not {"green/4.jpg", "red/5.jpg"} & set(photos.names)
    said = [message for message in caplog.messages if "left out" in message]
    for part, message in zip(("4.jpg: trunc", "5.jpg: not an", "2 of 30"), said, strict=True):
        assert part in message


def test_folders_that_do_not_do(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        LabelledPhotos.in_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="photos of 0 labels in its sub-folders: put those of each label into"):
        LabelledPhotos.in_folder(copied / "red")
    for number in range(1, 10):
        (copied / "red" / f"{number}.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match="photos of 'red' that can be read: 1: give at least two"):
        classify(FROZEN, copied, tmp_path / "run")
    shutil.rmtree(copied / "blue")
    shutil.rmtree(copied / "red")
    with pytest.raises(InputError, match="photos of 1 labels"):
        LabelledPhotos.in_folder(copied)


@pytest.mark.parametrize(("share", "each"), [(0.0, 1), (0.2, 2), (0.5, 5), (0.99, 9)])
def test_some_of_each_label_are_held_out(labelled_photos: Path, share: float, each: int) -> None:
    photos = LabelledPhotos.in_folder(labelled_photos)
    train, dev = photos.split(share, seed=0)
    assert set(train.names) | set(dev.names) == set(photos.names)
    assert not set(train.names) & set(dev.names)
    assert np.bincount(dev.owners).tolist() == [each] * 3
    assert all(name.startswith(dev.labels[owner]) for name, owner in zip(dev.names, dev.owners, strict=True))
    assert photos.split(share, seed=0)[1].names == dev.names != photos.split(share, seed=1)[1].names


def test_targets_sum_to_one() -> None:
    targets = smoothed(torch.tensor([0, 2, 2]), 4, 0.1)
    torch.testing.assert_close(targets[1], torch.tensor([0.025, 0.025, 0.925, 0.025]))
    assert smoothed(torch.tensor([1]), 2, 0.0).tolist() == [[0, 1]]
    inputs = torch.tensor([[1.0], [10.0], [100.0]])
    both, soft = mixed(inputs, targets, 0.4, np.random.default_rng(3))
    torch.testing.assert_close(soft.sum(1), torch.ones(3))
    # What was drawn, again: the share, and whom each is mixed with.
    rng = np.random.default_rng(3)
    share, others = rng.beta(0.4, 0.4), rng.permutation(3)
    torch.testing.assert_close(both, share * inputs + (1 - share) * inputs[others])
    torch.testing.assert_close(soft, (share * targets + (1 - share) * targets[others]).float())
    assert mixed(inputs, targets, 0.0, rng) == (inputs, targets)


def test_augmented_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Different ones each, the same from the same seed; without crops and light the photo or its mirror image."""
    pixels = torch.randint(0, 256, (40, 20, 20, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    seeded = partial(torch.Generator().manual_seed, 5)
    found = augmented(pixels, 16, seeded())
    assert found.shape == (40, 3, 16, 16)
    assert found.abs().max() <= 1
    assert found.equal(augmented(pixels, 16, seeded()))
    one = pixels[:1].expand(40, -1, -1, -1)
    assert len({tuple(photo.flatten().tolist()) for photo in augmented(one, 16, seeded())}) == 40
    for name, value in {"_LEAST_AREA": 1.0, "_MOST_STRETCH": 1.0, "_LIGHT": 0.0}.items():
        monkeypatch.setattr(augmentation, name, value)
    plain = efficientnet.scaled(pixels)
    mirrored = 0
    for photo, own in zip(augmented(pixels, 20, seeded()), plain, strict=True):
        distances = [(photo - other).abs().max().item() for other in (own, own.flip(2))]
        assert min(distances) < 1e-3
        mirrored += distances[1] < distances[0]
    assert 8 < mirrored < 32


@pytest.mark.parametrize(
    ("changes", "layers", "lowest"),
    [
        ({"blocks": 0}, 0, None),
        ({"blocks": 2}, 3, 0.25),
        ({"blocks": 16}, 18, 0.5**17),  # the stem, the blocks and the last convolution
        ({"pretrained": False}, 18, 0.5**17),
    ],
)
def test_layers_that_are_trained(
    labelled_photos: Path, tmp_path: Path, changes: dict, layers: int, lowest: float | None
) -> None:
    config = dataclasses.replace(FROZEN, image_size=32, views=1, head_rate=2.0, vision_rate=1.0, layer_decay=0.5)
    stage = Classify(dataclasses.replace(config, **changes), *read(labelled_photos), tmp_path)
    head, *cnn = stage.groups()
    assert (head.rate, len(head.parameters), len(cnn)) == (2.0, 2, layers)
    assert not cnn or (cnn[0].rate, cnn[-1].rate) == (lowest, 1.0)
    known = {id(parameter) for group in cnn for parameter in group.parameters}
    assert not known & {id(parameter) for parameter in stage.module.cnn._fc.parameters()}


@pytest.mark.parametrize("changes", [{"blocks": 22}, {"batch_size": 1}, {"held_out": 1.0}, {"variant": "lite3"}])
def test_values_out_of_range(changes: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        VisionConfig(**changes)


def test_what_is_held_out_changes_no_loss(labelled_photos: Path, tmp_path: Path) -> None:
    train, dev = read(labelled_photos)
    others = dataclasses.replace(dev, owners=(dev.owners + 1) % 3)
    losses = []
    for own in (dev, others):
        stage = Classify(CLASSIFIER_ALONE, train, own, tmp_path)
        losses.append([loss.item() for loss in stage.losses(Draw.of_epoch(0, 0))])
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3


@pytest.mark.slow
def test_training_learns_over_frozen_blocks(trained: Path) -> None:
    epochs = [json.loads(line) for line in (trained / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert epochs[-1]["score"] == epochs[-1]["accuracy"] == epochs[-1]["mean_class_accuracy"] == 100
    assert epochs[0]["score"] < 100
    assert json.loads((trained / "labels.json").read_text(encoding="utf-8")) == ["blue", "green", "red"]
    train, dev = (set(read_split(trained / name)) for name in ("train.txt", "dev.txt"))
    assert (len(train), len(dev), len(train & dev)) == (24, 6, 0)


@pytest.mark.slow
def test_the_file_holds_the_cnn_with_both_classifiers(trained: Path) -> None:
    packaged, now = (
        efficientnet.load_pretrained("lite0").state_dict(),
        read_cnn(trained / CNN_FILE, "lite0").state_dict(),
    )
    changed = {name.rpartition(".")[0] for name, tensor in now.items() if not tensor.equal(packaged[name])}
    assert {"_conv_head", "_bn1", "_blocks.15._project_conv"} <= changed
    assert all(name.startswith(("_conv_head", "_bn1", "_blocks.15.")) for name in changed)
    assert read_tensors(trained / CNN_FILE)["head.weight"].shape == (3, 1280)
    with pytest.raises(InputError, match="the weights are of another model"):
        read_cnn(trained / CNN_FILE, "lite1")


@pytest.mark.slow
def test_training_from_scratch_learns_with_averaged_statistics(labelled_photos: Path, tmp_path: Path) -> None:
    config, epochs = dataclasses.replace(SCRATCH, vision_rate=4e-3, mixup=0.0, dropout=0.0), 20
    train, dev = read(labelled_photos)
    stage = Classify(config, train, dev, tmp_path)
    learner = Learner(stage.module, stage.groups(), config, epochs * stage.steps)
    losses = []
    for epoch in range(epochs):
        stage.module.train()
        for step, loss in enumerate(stage.losses(Draw.of_epoch(0, epoch))):
            losses.append(loss.item())
            learner.learn(loss, epoch * stage.steps + step)
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])
    with torch.inference_mode():
        assert stage.evaluate(learner.average.eval())["score"] > 60  # guessing gives 33
    ours, current = learner.average.cnn._bn0, stage.module.cnn._bn0
    assert not ours.running_mean.equal(current.running_mean)
    assert ours.num_batches_tracked == current.num_batches_tracked == 60
    assert not any(tmp_path.iterdir())  # nothing is frozen, so nothing is cached


@pytest.mark.slow
@pytest.mark.parametrize("config", [FROZEN, SCRATCH], ids=["frozen", "scratch"])
def test_interrupted_run_resumes_to_the_last_bit(
    config: VisionConfig, labelled_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, save = dataclasses.replace(config, epochs=2), RunDirectory.save

    def save_and_die(self: RunDirectory, *arguments) -> None:
        save(self, *arguments)
        if len(self.history) == 2:
            raise KeyboardInterrupt

    classify(config, labelled_photos, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            classify(config, labelled_photos, tmp_path / "killed")
    with pytest.raises(InputError, match="--resume"):
        classify(config, labelled_photos, tmp_path / "killed")
    classify(config, labelled_photos, tmp_path / "killed", resume=True)
    for name in ("checkpoint.safetensors", CNN_FILE):
        one, two = (read_tensors(tmp_path / run / name) for run in ("whole", "killed"))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
def test_run_is_not_resumed_with_other_photos(trained: Path, copied: Path) -> None:
    classify(FROZEN, copied, trained, resume=True)
    shutil.copy(copied / "red" / "0.jpg", copied / "red" / "new.jpg")
    with pytest.raises(InputError, match=r"train\.txt: the photos in .* are others now than when the run began"):
        classify(FROZEN, copied, trained, resume=True)
    (copied / "red").rename(copied / "crimson")
    with pytest.raises(InputError, match=r"labels\.json: the photos in"):
        classify(FROZEN, copied, trained, resume=True)


@pytest.mark.slow
def test_the_joint_space_over_a_trained_cnn(trained: Path, caption_data: AlignData, tmp_path: Path) -> None:
    """A run keeps the CNN that it began with, so that its bundle is made of that."""
    run, directory = tmp_path / "runs" / "run", tmp_path / "bundle"
    quick = dataclasses.replace(COLOURS, epochs=1, prototypes=0)
    align(quick, caption_data, run, start=Start.packaged(quick, vision_run=trained), smoke=True)
    with pytest.raises(InputError, match=r"another configuration, of other cnn \("):
        align(quick, caption_data, run, start=Start.packaged(quick), resume=True, smoke=True)
    config, towers = load_run(run)
    directory.mkdir()
    model = draft_bundle(run, config, towers, directory, "fp32", "fp32")
    photos = sorted(caption_data.images.glob("*.jpg"))[:4]
    pixels = torch.from_numpy(np.stack([model.encoder.transform(open_image(photo)) for photo in photos]))
    with torch.inference_mode():
        expected = ImageTower(read_cnn(trained / CNN_FILE, "lite0"), towers.image).eval()(pixels)[0].numpy()
        packaged = ImageTower(efficientnet.load_pretrained("lite0"), towers.image).eval()(pixels)[0].numpy()
    np.testing.assert_allclose(model.encode_images(photos), expected, atol=1e-3)
    assert np.abs(packaged - expected).max() > 0.01
    assert "photos with labels, for the CNN" in [part["name"] for part in model.card.data]
    (run / CNN_FILE).unlink()
    with pytest.raises(InputError, match="not the CNN that the run began with"):
        load_run(run)


@pytest.mark.slow
def test_runs_that_the_joint_space_cannot_begin_with(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds a lite0, not a lite2: give another directory, or change vision"):
        Start.packaged(dataclasses.replace(COLOURS, vision="lite2"), vision_run=trained)
    with pytest.raises(InputError, match=r"config\.json: missing: make it with revln train vision"):
        Start.packaged(COLOURS, vision_run=tmp_path)
    shutil.copy(trained / CNN_FILE, tmp_path / CNN_FILE)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(SCRATCH)), encoding="utf-8")
    with pytest.raises(InputError, match="trained from scratch and does not know ImageNet's classes"):
        Start.packaged(COLOURS, vision_run=tmp_path)


def test_a_model_has_a_cnn_already(tmp_path: Path) -> None:
    options = ["--data", tmp_path, "--out", tmp_path / "run", "--from", "base", "--vision", tmp_path]
    reply = CliRunner().invoke(app, ["align", *map(str, options)])
    assert reply.exit_code == 2
    assert "leave --vision or" in reply.output

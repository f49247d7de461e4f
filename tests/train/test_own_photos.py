"""Going on from a bundle with one's own photos."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from revln.errors import ConfigError, InputError
from revln.models import Bundle, load_model
from revln.models.bundle import GOLDEN
from revln.models.card import sha256_of
from revln.sources import read_split
from revln.train import efficientnet
from revln.train.align import Align
from revln.train.cli import app
from revln.train.export import draft_bundle, load_run
from revln.train.features import Augmentation
from revln.train.own_photos import fitting_config, own_data, with_changes
from revln.train.run_directory import CHECKPOINT
from revln.train.starting import Start
from small_training import COLOURS

CONFIG = dataclasses.replace(COLOURS, epochs=3, vision_blocks=1)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Stripes with invented names, which no bundle knows; one caption a photo, the same for all of a kind."""
    rng = np.random.default_rng(3)
    rows = ["image,caption"]
    (tmp_path / "photos").mkdir()
    for number in range(120):
        pixels = rng.integers(0, 60, (48, 48, 3), dtype=np.uint8)
        if number % 2:
            pixels[::8] = 255
        else:
            pixels[:, ::8] = 255
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
        rows.append(f"photos/{number}.png,a {('zorple', 'mibkess')[number % 2]}")
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "own.csv"


def test_what_is_held_out_follows_from_the_names(own: Path, tmp_path: Path) -> None:
    data = own_data(own, tmp_path / "run")
    train, dev = set(read_split(data.train)), set(read_split(data.dev))
    assert len(train) + len(dev) == 120
    assert 10 <= len(dev) <= 20
    assert not train & dev
    with own.open("a", encoding="utf-8") as file:
        file.writelines(f"photos/{number}.png,a zorple\n" for number in range(200, 500))
    again = own_data(own, tmp_path / "other")
    assert dev <= set(read_split(again.dev))
    assert train <= set(read_split(again.train))
    (tmp_path / "run" / CHECKPOINT).touch()
    assert set(read_split(own_data(own, tmp_path / "run").dev)) == dev  # as the run that is there has it


def test_too_few_photos(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("image,caption\na.jpg,a cat\nb.jpg,a dog\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"few\.csv: names 2 photos: give at least 100"):
        own_data(tmp_path / "few.csv", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("photos", [90, 180, 300, 511, 3_000, 100_000])
def test_settings_fit_the_number_of_photos(photos: int, tmp_path: Path) -> None:
    config = fitting_config(CONFIG, photos, tmp_path / "mine", "base-2")
    steps = config.epochs * config.passes * max(1, photos // config.batch_size)
    assert 240 <= steps <= 1500
    assert config.epochs <= 6
    assert config.batch_size <= photos
    assert photos * config.views <= 100_000
    assert (config.vision, config.dim, config.hidden) == (CONFIG.vision, CONFIG.dim, CONFIG.hidden)


@pytest.mark.parametrize(("out", "name"), [("my model", "my-model"), (".mine", "mine"), ("..", "")])
def test_a_name_that_a_card_takes(out: str, name: str, tmp_path: Path) -> None:
    found = fitting_config(CONFIG, 200, tmp_path / out, "base-2").name
    assert found == (name or tmp_path.resolve().parent.name)


def test_what_a_bundle_has_settled_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    config = fitting_config(CONFIG, 200, tmp_path / "mine", "base-2")
    path.write_text("epochs = 3\n", encoding="utf-8")
    assert with_changes(config, path) == dataclasses.replace(config, epochs=3)
    for line in ("dim = 17", 'text = "gru"', "vision_blocks = 6"):
        path.write_text(line, encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"c\.toml: {line.split()[0]} = .* the model to go on from has"):
            with_changes(config, path)
    path.write_text("epocs = 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        with_changes(config, path)


@pytest.mark.slow
def test_towers_come_back_from_a_bundle(bundle: Path) -> None:
    config, start = Start.of_bundle(Bundle(bundle))
    assert config == dataclasses.replace(CONFIG, vision_blocks=0)
    _, towers = load_run(bundle.parent / "runs" / "first")
    for name in ("image.projection.linear.weight", "text.encoder.words.weight", "image.class_vectors"):
        trained = towers.state_dict()[name]
        assert (start.weights[name] - trained).abs().max() < 0.005 * trained.abs().max(), name  # stored in 8 bits
    changed = start.trunk._conv_head.weight - efficientnet.load_pretrained("lite0")._conv_head.weight
    assert changed.abs().max() > 1e-4  # what training has made of the CNN


@pytest.mark.slow
def test_own_photos_are_learnt_and_the_rest_is_kept(bundle: Path, own: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "runs" / "mine", tmp_path / "config.toml"
    config.write_text(
        "epochs = 2\npasses = 6\nbatch_size = 50\nhead_rate = 5e-3\nprototypes = 32\nwords = 32\nviews = 2\n"
        "start_share = 0.25\n",
        encoding="utf-8",
    )
    options = ["--data", str(own), "--from", str(bundle), "--out", str(out), "--config", str(config)]
    reply = CliRunner().invoke(app, ["align", *options, "--json"], catch_exceptions=False)
    result = json.loads(reply.stdout)
    assert result["metrics"]["text_to_image_R@1"] == 100
    assert result["metrics"]["text_to_image_R@1"] >= result["before"]["text_to_image_R@1"]
    assert {"classes_R@1", "image_to_text_R@5"} <= result["metrics"].keys()

    model, before = load_model(result["bundle"]), load_model(bundle)
    assert model.verify() == []
    assert model.id == result["id"] != before.id
    assert model.card.name == "mine"
    assert model.card.calibration == before.card.calibration
    assert [part["name"] for part in model.card.data][-1] == "photos and captions of the user"
    words = ["a dog", "a red wall", "a boat"]
    assert (model.encode_texts(words) * before.encode_texts(words)).sum(1).min() > 0.9
    Start.of_bundle(Bundle(Path(result["bundle"])))  # and so on
    with pytest.raises(InputError, match=f"went on from {before.id}"):
        load_run(out)


@pytest.mark.slow
def test_bundles_that_training_cannot_go_on_from(bundle: Path, tmp_path: Path) -> None:
    config, towers = load_run(bundle.parent / "runs" / "first")
    copy = tmp_path / "bundle"
    copy.mkdir()
    draft_bundle(bundle.parent / "runs" / "first", config, towers, copy, "fp16", "int8")
    for name in (GOLDEN, "background.npz"):
        (copy / name).write_bytes((bundle / name).read_bytes())
    card = Bundle(bundle).card

    def written(**facts: object) -> Bundle:
        files = {name: sha256_of(copy / name) for name in card.files}
        dataclasses.replace(card, files=files, **facts).write(copy)
        return Bundle(copy)

    with pytest.raises(InputError, match="cannot be trained further"):
        Start.of_bundle(written(training={}))
    with pytest.raises(InputError, match=r"card\.json: training: dim = 0"):
        Start.of_bundle(written(training={**card.training, "dim": 0}))
    with np.load(copy / GOLDEN) as golden:
        arrays = {**golden, "text_embeddings": golden["text_embeddings"][::-1]}
    np.savez(copy / GOLDEN, **arrays)
    with pytest.raises(InputError, match="its weights give other text embeddings than it recorded"):
        Start.of_bundle(written())


def test_neither_a_configuration_nor_a_model(tmp_path: Path) -> None:
    reply = CliRunner().invoke(app, ["align", "--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert reply.exit_code == 2
    assert "--from MODEL" in reply.output


def test_a_photo_is_augmented_alike_however_it_is_named(tmp_path: Path) -> None:
    """A caption table names photos by folder; what is told of mirror images has to be of the same views."""
    views = range(1, 9)
    assert [Augmentation.of_view(tmp_path / "photos" / "7.jpg", view) for view in views] == [
        Augmentation.of_view(Path("photos/7.jpg"), view) for view in views
    ]
    assert len({Augmentation.of_view(Path("7.jpg"), view).area for view in views}) == len(views)


def test_settled_weights_lie_between_those_of_the_start_and_what_was_learnt() -> None:
    stage = object.__new__(Align)
    average, stage.before = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    torch.nn.init.ones_(average.weight)
    torch.nn.init.zeros_(stage.before.weight)
    for share, expected in ((0.0, 1.0), (0.25, 0.75), (0.5, 0.5)):
        stage.config = dataclasses.replace(CONFIG, start_share=share)
        assert stage.settled(average).weight.tolist() == [[expected, expected]]
    assert average.weight.tolist() == [[1.0, 1.0]]

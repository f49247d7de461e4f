"""Training and export end to end, on a data set of colours."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, models, normalizers
from typer.testing import CliRunner

from revln.errors import InputError
from revln.models import load_model
from revln.train.align import Align, _words
from revln.train.align import align as run_align
from revln.train.cli import app
from revln.train.config import AlignConfig, load_config
from revln.train.export import export, shipped_photos
from revln.train.loop import Draw, Result
from revln.train.pairs import AlignData
from revln.train.run_directory import RunDirectory
from revln.train.starting import Start
from revln.train.text_encoders import TextPart
from small_training import COLOURS

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
CONFIG = COLOURS


def align(config: AlignConfig, data: AlignData, out: Path, *, resume: bool = False) -> Result:
    return run_align(config, data, out, start=Start.packaged(config), resume=resume)


@pytest.fixture(scope="module")
def trained(caption_data: AlignData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, align(CONFIG, caption_data, out)


@pytest.fixture
def run(trained: tuple[Path, Result]) -> Path:
    return trained[0]


@pytest.mark.slow
def test_training_learns(trained: tuple[Path, Result]) -> None:
    out, result = trained
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2, 3, 4]
    assert epochs[-1]["loss"] < epochs[1]["loss"]
    assert result.metrics["score"] > result.before["score"]


@pytest.mark.slow
def test_interrupted_run_resumes_to_the_same_weights(
    run: Path, caption_data: AlignData, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run.parent / "interrupted"
    save = RunDirectory.save

    def save_and_die(self: RunDirectory, *arguments) -> None:
        save(self, *arguments)
        if len(self.history) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            align(CONFIG, caption_data, out)
    with pytest.raises(InputError, match="--resume"):
        align(CONFIG, caption_data, out)
    align(CONFIG, caption_data, out, resume=True)
    one, two = (load_file(path / "towers.safetensors") for path in (run, out))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert tensor.equal(two[name]), name


@pytest.mark.slow
def test_another_configuration_is_not_resumed(run: Path, caption_data: AlignData) -> None:
    with pytest.raises(InputError, match=r"another configuration, of other dim \(16, now 17\)"):
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
    with pytest.raises(InputError, match="make it with revln train align"):
        export(tmp_path, caption_data, [], [], tmp_path / "bundle")


def test_split_without_captions_is_named(caption_data: AlignData, tmp_path: Path) -> None:
    split = tmp_path / "train.txt"
    split.write_text("00.jpg\nnowhere.jpg\n01.JPG\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"train\.txt: 1 of its 3 photos have captions in .*'nowhere\.jpg' has none.*name '00\.jpg'"
    ):
        align(CONFIG, dataclasses.replace(caption_data, train=split), tmp_path / "run")


def test_photo_that_is_not_there_is_named(caption_data: AlignData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"00\.jpg: no such photo"):
        align(CONFIG, dataclasses.replace(caption_data, images=tmp_path), tmp_path / "run")


@pytest.mark.slow
def test_batch_without_captions_in_a_language(run: Path, caption_data: AlignData) -> None:
    """A batch of one photo, which may be the one that has none in Chinese."""
    data = dataclasses.replace(caption_data, translations=None)
    config = dataclasses.replace(
        CONFIG, languages="en zh", batch_size=1, views=1, translation_weight=0.5, hardness=0.5, prototypes=0
    )
    stage = Align(config, data, Start.packaged(config), run.parent / "features")
    assert [len(captions) for captions in stage.captions.sentences["zh"]][:4] == [2, 2, 0, 2]
    losses = [loss.item() for loss in stage.losses(Draw.of_epoch(0, 0))]
    assert len(losses) == 24
    assert np.isfinite(losses).all()


def test_words_that_keep_their_meaning() -> None:
    """Whole ones of several letters, in either way of marking them."""
    names = ["[CLS]", "[UNK]", "##ing", "a", "dog", "!", "cat"]
    wordpiece = Tokenizer(models.WordPiece({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    assert _words(TextPart(None, wordpiece)) == [[6], [4]]  # type: ignore[arg-type]
    pieces = ["<unk>", "<0x41>", "▁", "ing", "▁a", "▁dog", "!", "狗", "海滩", "▁cat"]
    bilingual = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    bilingual.normalizer = normalizers.Replace(Regex(r"(?<![a-z])(?=[a-z])"), "▁")
    assert _words(TextPart(None, bilingual)) == [[9], [5], [8]]  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_smoke_run_of_each_config(
    config: Path,
    caption_data: AlignData,
    labelled_photos: Path,
    distilled: Callable[[str, int], Path],
    bundle: Path,
    language_run: Path,
    colour_questions: Path,
    tmp_path: Path,
) -> None:
    stage = config.stem.split("-")[0]
    out = tmp_path / "runs" / "smoke"
    data = labelled_photos if stage == "vision" else caption_data.images.parent
    options = ["--config", str(config), "--data", str(data), "--out", str(out)]
    if stage == "align" and (bound := load_config(config, AlignConfig)).text != "minilm":
        options += ["--text", str(distilled(bound.text, bound.text_layers))]
    if stage == "joint":
        options += ["--from", str(bundle), "--lm", str(language_run), "--questions", str(colour_questions)]
    reply = CliRunner().invoke(app, [stage, *options, "--smoke", "--json"], catch_exceptions=False)
    assert reply.exit_code == 0
    result = json.loads(reply.stdout)
    assert result.keys() == {"out", "metrics", "before", "seconds"}
    # A few steps teach a language model something, but no generator to speak.
    least = {"lm": result["before"]["score"], "joint": -1}.get(stage, 0)
    assert result["metrics"]["score"] > least
    assert result["before"]["epoch"] == 0
    again = CliRunner().invoke(app, [stage, *options, "--smoke"])
    assert isinstance(again.exception, InputError)

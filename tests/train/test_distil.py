"""From captions and a dictionary to a bilingual text encoder, from that to a bundle in two languages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from typer.testing import CliRunner

from revln.errors import InputError
from revln.models import load_model
from revln.text import SentenceTokenizer
from revln.train.cli import app
from revln.train.config import AlignConfig
from revln.train.distil import DistilData, _means, _teach
from revln.train.export import load_run
from revln.train.pairs import AlignData
from revln.train.starting import Start
from revln.train.text_encoders import in_chunks, load_text_part, token_ids

ENCODERS = [("transformer", 3), ("gru", 1)]
Distilled = Callable[[str, int], Path]

ALIGN = """
name = "colours"
vision = "lite0"
image_size = 64
dim = 16
visual_dim = 8
hidden = 16
text = "{}"
text_layers = {}
text_rate = 1e-4
layer_decay = 0.8
languages = "en zh"
captions = 2
translation_weight = 0.2
hardness = 0.2
views = 2
epochs = 3
batch_size = 8
head_rate = 5e-3
prototypes = 8
words = 8
ema = 0.5
"""


def invoke(*options: object) -> dict:
    reply = CliRunner().invoke(app, [*map(str, options), "--json"], catch_exceptions=False)
    assert reply.exit_code == 0
    return json.loads(reply.stdout)


def test_texts_of_a_folder(caption_data: AlignData, dictionary: Path) -> None:
    """Translations, class names in both languages, and the dictionary."""
    data = DistilData.in_folder(caption_data.images.parent, dictionary)
    assert data.pairs[0] == ("a red wall", "一面红色的墙。")
    assert ("goldfish", "金鱼") in data.pairs[24:]
    assert {"goldfish", "garden wall", "of the colour of blood"} <= set(data.english)
    assert (("a red wall", "a picture that is all red"), "红色的墙") in data.described
    assert len(data.described) == 46  # two of each training photo but one
    assert "garden wall" not in DistilData.in_folder(caption_data.images.parent).english
    cut = data.cut(30)
    assert [len(texts) for texts in (cut.pairs, cut.english, cut.described)] == [30, 30, 30]


def test_pairs_that_miss_a_side_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "parallel.en-zh.txt").write_text("en,zh\na wall,墙\na dog\n,狗\n", encoding="utf-8")
    data = DistilData.in_folder(tmp_path)
    assert (data.pairs[0], data.pairs[1][0], data.described) == (("a wall", "墙"), "tench", [])


def test_captions_of_a_photo_have_the_mean_of_their_vectors(tmp_path: Path) -> None:
    texts = ["a red wall", "a green field", "three boats"]
    means = _means([texts[:2], texts[2:], texts[1:]], tmp_path).float()
    alone = _teach(texts, tmp_path).float()
    expected = torch.stack([alone[:2].mean(0), alone[2], alone[1:].mean(0)])
    torch.testing.assert_close(means, expected, atol=2e-3, rtol=0)
    assert _means([], tmp_path).shape == (0, 384)


@pytest.mark.parametrize("text", [None, "image,en\n1.jpg,a wall\n"])
def test_folder_without_translations_is_named(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "parallel.en-zh.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"parallel\.en-zh\.txt: no CSV file with the columns en and zh: put one"):
        DistilData.in_folder(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "layers"), ENCODERS)
def test_distillation_learns_all_kinds_of_texts(distilled: Distilled, encoder: str, layers: int) -> None:
    run = distilled(encoder, layers)
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(epochs) == 3
    for kind in ("score", "english", "chinese", "dictionary", "described"):
        assert epochs[-1][kind] > epochs[0][kind]


@pytest.mark.slow
def test_translations_come_near_each_other(distilled: Distilled) -> None:
    part = load_text_part("transformer", 3, distilled("transformer", 3), 0.1)
    texts = ["a red wall", "a blue wall", "红色的墙", "蓝色的墙"]
    with torch.inference_mode():
        vectors = in_chunks(part.encoder.eval(), token_ids(part.tokenizer, texts, 48))
    vectors = torch.nn.functional.normalize(vectors, dim=-1)
    english, chinese = vectors[:2], vectors[2:]
    assert (english @ chinese.T).argmax(1).tolist() == [0, 1]


@pytest.mark.slow
def test_resumed_distillation_keeps_its_tokenizer(
    distilled: Distilled, caption_data: AlignData, dictionary: Path, tmp_path: Path
) -> None:
    run = distilled("gru", 1)
    before = (run / "tokenizer.json").read_bytes()
    options = ["--config", run.with_suffix(".toml"), "--data", caption_data.images.parent, "--dictionary", dictionary]
    result = invoke("distil", *options, "--out", run, "--resume", "--smoke")
    assert result["metrics"]["epoch"] in {1, 2}
    assert (run / "tokenizer.json").read_bytes() == before
    with pytest.raises(InputError, match="--resume"):
        invoke("distil", *options, "--out", run, "--smoke")
    with pytest.raises(InputError, match=r"other .*epochs \(2, now 4\)"):
        invoke("distil", *options, "--out", run, "--resume")


@pytest.mark.slow
def test_another_encoder_is_refused(distilled: Distilled) -> None:
    config = AlignConfig(text="transformer", text_layers=3)
    with pytest.raises(InputError, match="holds a gru of 1 layers, not a transformer of 3: give another directory"):
        Start.packaged(config, distilled("gru", 1))


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "layers"), ENCODERS)
def test_bundle_in_two_languages(
    distilled: Distilled, caption_data: AlignData, encoder: str, layers: int, tmp_path: Path
) -> None:
    config, run, bundle = tmp_path / "align.toml", tmp_path / "runs" / "run", tmp_path / "bundle"
    config.write_text(ALIGN.format(encoder, layers), encoding="utf-8")
    data = ("--data", caption_data.images.parent)
    result = invoke("align", "--config", config, *data, "--text", distilled(encoder, layers), "--out", run)
    assert {"text_to_image_R@1", "zh_text_to_image_R@1", "zh_image_to_text_R@5"} <= result["metrics"].keys()
    assert result["metrics"]["score"] > result["before"]["score"]

    (tmp_path / "unrelated.txt").write_text("a bill\na map\nan x-ray\na spreadsheet\n", encoding="utf-8")
    precision = ("--text", "fp32", "--vision", "fp32")
    invoke("export", "--run", run, *data, "--unrelated", tmp_path / "unrelated.txt", "--out", bundle, *precision)
    model = load_model(bundle)
    assert model.verify() == []
    assert tuple(model.card.languages) == ("en", "zh")
    assert model.card.numbers["dev split, zh"]["images"] == 8
    its_own, distilleds = (
        Tokenizer.from_file(str(at / "tokenizer.json")) for at in (bundle, distilled(encoder, layers))
    )
    assert its_own.get_vocab() == distilleds.get_vocab()

    queries = ["a red wall", "红色的墙", "一只😀猫，在沙发上。", ""]
    found = model.encode_texts(queries)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    _, towers = load_run(run)
    for query, vector in zip(queries, found, strict=True):
        ids = torch.tensor(SentenceTokenizer(run / "tokenizer.json", 64).encode([query]))
        with torch.inference_mode():
            expected = towers.text(ids, torch.ones_like(ids))[0].numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-4)

"""From a trained generator to a bundle that captions: its graphs say what the modules say."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from revln.errors import InputError
from revln.images import open_image
from revln.models import Bundle, Model, load_model
from revln.models.card import sha256_of
from revln.pipeline import Memory, ask, caption
from revln.sources import read_questions
from revln.train.cli import app
from revln.train.efficientnet import scaled
from revln.train.export import shipped_photos
from revln.train.generator import Recalled
from revln.train.joint_export import JointRun, export_joint, load_joint
from revln.train.pairs import AlignData
from revln.train.saying import say
from revln.train.towers import ImageTower
from revln.types import ImageEncoding

UNRELATED = ["an electricity bill", "a map of the underground", "an x-ray", "a spreadsheet"]
TEXTS = [["a red wall", "a picture that is all blue."], ["a green wall"], []]
LIKENESSES = np.array(
    [[[0.9, 0.6, 0.2], [0.3, 0.5, 0]], [[0.8, 0.7, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]], np.float32
)


@pytest.fixture(scope="module")
def exact(
    joint_run: Path,
    bundle: Path,
    caption_data: AlignData,
    colour_questions: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Model:
    """The run as a bundle whose weights are stored whole."""
    out = tmp_path_factory.mktemp("bundles") / "exact"
    stored = {f"{part}_precision": "fp32" for part in ("vision", "text", "generator")}
    asked = read_questions(colour_questions)
    export_joint(joint_run, Bundle(bundle), caption_data, UNRELATED, shipped_photos(2), out, questions=asked, **stored)
    return load_model(out)


@pytest.fixture(scope="module")
def speaking(
    joint_run: Path,
    bundle: Path,
    caption_data: AlignData,
    colour_questions: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Model:
    """The run as ``revln train export`` makes it."""
    folder = tmp_path_factory.mktemp("bundles")
    (folder / "unrelated.txt").write_text("\n".join(UNRELATED * 2), encoding="utf-8")
    options = ["--run", joint_run, "--data", caption_data.images.parent, "--from", bundle]
    options += ["--questions", colour_questions]
    options += ["--unrelated", folder / "unrelated.txt", "--out", folder / "speaking"]
    reply = CliRunner().invoke(app, ["export", *map(str, options), "--json"], catch_exceptions=False)
    model = load_model(folder / "speaking")
    assert json.loads(reply.stdout)["id"] == model.id
    return model


@pytest.fixture(scope="module")
def trained(joint_run: Path, bundle: Path) -> JointRun:
    return load_joint(joint_run, Bundle(bundle))


@pytest.fixture(scope="module")
def photos(caption_data: AlignData) -> list[Path]:
    """Of four colours, none of which was trained on."""
    return sorted(caption_data.images.glob("*.jpg"))[-4:]


@pytest.mark.slow
def test_the_bundle_verifies_and_says_what_it_is(speaking: Model, joint_run: Path) -> None:
    assert speaking.verify() == []
    card = speaking.card
    assert card.generator["languages"] == ["en", "zh"]
    assert card.generator["training"]["objective"] == "likelihood"
    epochs = [json.loads(line) for line in (joint_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert card.numbers["captions of the dev split, greedy"]["score"] == max(line["score"] for line in epochs[1:])
    assert "captions of the training split, for the generator" in [part["name"] for part in card.data]


@pytest.mark.slow
def test_the_querybank_is_of_what_was_said_of_the_training_photos(speaking: Model, caption_data: AlignData) -> None:
    bank = speaking.encoder.querybank
    said = caption_data.read(caption_data.train, speaking.card.languages)
    vectors = speaking.encode_texts([text for texts in said.values() for own in texts.values() for text in own])
    assert bank is not None
    assert 1 < len(bank.texts) <= -(-len(vectors) // 10)
    near = (vectors[:, : bank.texts.shape[1]] @ bank.texts.T).max(axis=1)
    assert near.mean() > (vectors @ vectors.mean(axis=0)).mean()


@pytest.mark.slow
def test_the_towers_are_those_that_the_run_has_trained(
    bundle: Path, language_run: Path, caption_data: AlignData, photos: list[Path], tmp_path: Path
) -> None:
    """The CNN's last block and both projection heads, if the run was to train them."""
    rates = "retriever_rate = 0.01\nvision_rate = 0.01"
    (tmp_path / "all.toml").write_text(f'retriever = "trained"\nvision_blocks = 1\n{rates}\n', encoding="utf-8")
    run = tmp_path / "runs" / "all"
    options = ["--config", tmp_path / "all.toml", "--data", caption_data.images.parent, "--out", run]
    options += ["--from", bundle, "--lm", language_run, "--smoke"]
    CliRunner().invoke(app, ["joint", *map(str, options)], catch_exceptions=False)
    before, trained = load_model(bundle), load_joint(run, Bundle(bundle))
    pixels = torch.from_numpy(np.stack([before.encoder.transform(open_image(photo)) for photo in photos]))
    sentences = torch.randn(2, 384)
    with torch.inference_mode():
        maps = trained.start.trunk.below(scaled(pixels), 1)  # as yet without what was trained
        grid = trained.model.top.grid(maps)
        expected, texts = trained.model.images(grid), trained.model.texts(sentences)
        towers = trained.towers()
        found, _, places = ImageTower(trained.start.trunk, towers.image).eval()(pixels)
        projected = towers.text.projection(sentences * 384**0.5)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(places, grid.flatten(2).transpose(1, 2), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(torch.nn.functional.normalize(projected, dim=-1), texts, atol=1e-4, rtol=0)
    assert np.abs(before.encode_images(photos) - found.numpy()).max() > 0.01


@pytest.mark.slow
def test_the_bundle_sees_what_the_run_has_seen(exact: Model, trained: JointRun, photos: list[Path]) -> None:
    pixels = torch.from_numpy(np.stack([exact.encoder.transform(open_image(photo)) for photo in photos]))
    with torch.inference_mode():
        grid = trained.start.trunk.below(scaled(pixels), 0)
        expected = trained.model.images(grid)
    np.testing.assert_allclose(exact.encode_images(photos), expected.numpy(), atol=1e-4)
    seen = next(iter(exact.look(photos[:1])))
    np.testing.assert_allclose(seen.grid[0], grid[0].flatten(1).T.numpy(), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_graphs_say_what_the_modules_say(exact: Model, trained: JointRun, photos: list[Path], language: str) -> None:
    """Word for word, for one, two or no recalled texts, in numbers to five places; cached and not."""
    spoken, generator = exact.generator, trained.model.generator
    assert spoken is not None
    encodings = list(exact.look(photos[:3]))
    grid = np.concatenate([seen.grid for seen in encodings])
    whole = np.concatenate([exact.shared(seen.embeddings) for seen in encodings])
    seen = spoken.look(grid, whole, TEXTS, LIKENESSES)
    words = torch.zeros(3, 2, int((seen.entries == 0).sum()), dtype=torch.int64)
    for row, texts in enumerate(TEXTS):
        for place, ids in enumerate(spoken.encode([text.removesuffix(".") for text in texts])):
            words[row, place, : len(ids)] = torch.tensor(ids)
    recalled = Recalled(words, torch.from_numpy(LIKENESSES))
    first, chance = spoken.beginning(language), torch.Generator().manual_seed(0)
    with torch.inference_mode():
        theirs = generator.look(torch.from_numpy(grid), torch.from_numpy(whole), recalled)
        prompts = torch.full((3, 1), first)
        greedy, drawn = say(generator, theirs, prompts, 26), say(generator, theirs, prompts, 20, 4, chance)
        told = generator(drawn, generator.decoder.no_past(12), theirs)
    np.testing.assert_allclose(seen.tensors["shares"], theirs.shares.numpy(), atol=1e-5)
    found = spoken.say(drawn.numpy(), seen)
    np.testing.assert_allclose(found.log_probabilities, told.log_probabilities.numpy(), atol=1e-3)
    np.testing.assert_allclose(np.exp(found.log_probabilities), told.log_probabilities.exp().numpy(), atol=1e-5)
    np.testing.assert_allclose(found.looked, told.looked.numpy(), atol=1e-5)
    past, parts = None, []
    for column in drawn.T.numpy():
        step = spoken.say(column[:, None], seen, past)
        past = step.past
        parts.append(step.log_probabilities)
    np.testing.assert_allclose(np.exp(np.concatenate(parts, 1)), np.exp(found.log_probabilities), atol=1e-5)
    ids, past = np.full((3, 1), first), None
    for _ in range(greedy.shape[1] - 1):
        step = spoken.say(ids[:, -1:], seen, past)
        past, likeliest = step.past, step.log_probabilities[:, -1].argmax(-1)
        ended = (ids == spoken.end).any(1)
        ids = np.concatenate([ids, np.where(ended, 0, likeliest)[:, None]], 1)
    assert ids.tolist() == greedy.tolist()


@pytest.mark.slow
def test_captions_with_and_without_a_memory(speaking: Model, photos: list[Path], tmp_path: Path) -> None:
    memory = Memory.open(tmp_path / "memory.revln", model=speaking)
    colours = [("red", "红"), ("green", "绿"), ("blue", "蓝"), ("white", "白")]
    for number, photo in enumerate(sorted(photos[0].parent.glob("*.jpg"))[:24]):
        english, chinese = colours[number % 4]
        memory.add(image=photo, texts=[f"a {english} wall", f"{chinese}色的墙"])
    for photo, (english, chinese) in zip(photos, colours, strict=True):
        answer = caption(photo, memory=memory, k=3)
        assert english in answer.text
        assert answer.text.endswith(".")
        assert english in answer.evidence[0].hit.text
        assert answer.none_weight + sum(part.weight for part in answer.evidence) == pytest.approx(1, abs=1e-5)
        assert chinese in caption(photo, memory=memory, k=3, lang="zh").text
    assert speaking.generator is not None
    assert speaking.generator.answers
    answers = [ask(photo, "what colour is the wall?", memory=memory, k=3, threshold=0.0) for photo in photos]
    assert sum(answer.text == english for answer, (english, _) in zip(answers, colours, strict=True)) >= 3
    alone = caption(photos[0], model=speaking)
    assert alone.text
    assert (alone.evidence, alone.none_weight) == ((), 1.0)


def told(model: Model, photo: ImageEncoding, ids: np.ndarray, text: str) -> np.ndarray:
    """Log-probability of each word of a sentence but the first, with one text recalled."""
    spoken = model.generator
    assert spoken is not None
    assert photo.grid is not None
    seen = spoken.look(photo.grid, model.shared(photo.embeddings), [[text]], np.array([[[0.9, 0.9, 0]]], np.float32))
    said = spoken.say(ids[:, :-1], seen).log_probabilities[0]
    return np.take_along_axis(said, ids[0, 1:, None], axis=1)[:, 0]


@pytest.mark.slow
def test_what_is_recalled_becomes_likelier(speaking: Model, photos: list[Path]) -> None:
    """Even with a name that no training has seen."""
    spoken, photo = speaking.generator, next(iter(speaking.look(photos[:1])))
    assert spoken is not None
    ids = np.array([[spoken.beginning("en"), *spoken.encode(["a zorple wall"])[0], spoken.end]])
    known, unknown = (told(speaking, photo, ids, text).sum() for text in ("a zorple wall", ""))
    assert known > unknown + 1


@pytest.mark.slow
def test_eight_bits_say_nearly_the_same(exact: Model, speaking: Model, photos: list[Path]) -> None:
    spoken = speaking.generator
    assert spoken is not None
    ids = np.array([[spoken.beginning("en"), *spoken.encode(["a red wall"])[0], spoken.end]])
    for photo in speaking.look(photos):
        few, many = (told(model, photo, ids, "a wall that is all red") for model in (speaking, exact))
        np.testing.assert_allclose(few, many, atol=0.3)
    files = ("generator-look.onnx", "generator-say.onnx")
    sizes = [sum((model.bundle.directory / name).stat().st_size for name in files) for model in (exact, speaking)]
    assert sizes[1] < sizes[0]


@pytest.mark.slow
def test_runs_that_cannot_be_exported(
    joint_run: Path, bundle: Path, speaking: Model, caption_data: AlignData, tmp_path: Path
) -> None:
    unfinished = Path(shutil.copytree(joint_run, tmp_path / "unfinished"))
    (unfinished / "joint.safetensors").unlink()
    with pytest.raises(InputError, match=r"joint\.safetensors: missing: make it with revln train joint --out"):
        load_joint(unfinished, Bundle(bundle))
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    card = Bundle(other).card
    dataclasses.replace(card, version="2").write(other)
    with pytest.raises(InputError, match=rf"was trained on the towers of {card.id}, not of colours-2-.*: give those"):
        export_joint(joint_run, Bundle(other), caption_data, UNRELATED, shipped_photos(2), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert sha256_of(bundle / "vision.onnx") == card.files["vision.onnx"]

"""Training the generator with retrieval: it learns, it goes on, and its loss reaches the retriever only if it may."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from revln.errors import BundleError, InputError
from revln.models import Bundle, load_model
from revln.sources import read_questions
from revln.text.questions import Question
from revln.train.checkpoint import load_into, read_tensors
from revln.train.cli import app
from revln.train.config import JointConfig, load_config
from revln.train.generator import Recalled
from revln.train.generator_start import GeneratorStart
from revln.train.joint import Joint, _Batch, joint
from revln.train.joint_data import read_joint_data
from revln.train.joint_measures import prompts_of, written
from revln.train.joint_memory import TrainingMemory
from revln.train.learner import Learner
from revln.train.loop import Draw, Result
from revln.train.pairs import AlignData
from revln.train.run_directory import RunDirectory
from revln.train.saying import say
from revln.train.starting import Start

TINY = JointConfig(
    captions=2, views=2, recalled=3, candidates=6, invented=0.5, epochs=2, batch_size=8, dropout=0.1, ema=0.5
)
ASKING = dataclasses.replace(TINY, question_weight=1.0, asked=1.0)
REWARD = dataclasses.replace(TINY, objective="reward", captions=4, rate=1e-3, decoder_rate=1e-3)
MakeStage = Callable[..., Joint]


def epochs_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def make(caption_data: AlignData, bundle: Path, language_run: Path, joint_run: Path) -> MakeStage:
    """``make(config)`` gives the stage, with the weights of the run."""

    def stage(config: JointConfig, data: AlignData = caption_data, asked: Sequence[Question] = ()) -> Joint:
        made_with, start = Start.of_bundle(Bundle(bundle))
        part = GeneratorStart.of_language_model(language_run, config).part
        cache = joint_run.parent / "features"
        read = read_joint_data(config, made_with, data, start, part.tokenizer, cache, asked)
        made = Joint(config, made_with, read, start, part)
        if not config.vision_blocks:
            load_into(made.module, read_tensors(joint_run / "joint.safetensors"))
        return made

    return stage


@pytest.fixture
def train(caption_data: AlignData, bundle: Path, language_run: Path, joint_run: Path) -> Callable[..., Result]:
    def run(config: JointConfig, out: Path, **options: object) -> Result:
        made_with, start = Start.of_bundle(Bundle(bundle))
        config = dataclasses.replace(config, start=start.card.id)
        begun = GeneratorStart.of_language_model(language_run, config)
        return joint(config, made_with, caption_data, out, **{"start": start, "begun": begun} | options)

    return run


@pytest.mark.slow
def test_likelihood_teaches_to_speak(joint_run: Path) -> None:
    """And to look: with the memory captions are better than without."""
    epochs = epochs_of(joint_run)
    assert [epoch["epoch"] for epoch in epochs] == list(range(13))
    assert epochs[-1]["loss"] < 0.7 * epochs[1]["loss"]
    best = max(epochs[1:], key=lambda epoch: epoch["score"])
    counted = ("en_CIDEr", "zh_CIDEr", "en_answers", "zh_answers")
    assert best["score"] == pytest.approx(sum(best[name] for name in counted), abs=0.01)
    assert best["score"] > epochs[0]["score"] + 100
    assert best["en_CIDEr"] + best["zh_CIDEr"] > best["en_CIDEr_off"] + best["zh_CIDEr_off"]
    assert best["en_answers"] + best["zh_answers"] > 120  # a quarter of each is right by chance
    assert epochs[0]["en_answers"] + epochs[0]["zh_answers"] < 60


@pytest.mark.slow
def test_reward_goes_on_from_likelihood(
    joint_run: Path, train: Callable[..., Result], colour_questions: Path, tmp_path: Path
) -> None:
    asked = read_questions(colour_questions)
    config = dataclasses.replace(REWARD, question_weight=1.0)
    result = train(config, tmp_path / "reward", begun=GeneratorStart.of_run(joint_run, config), questions=asked)
    best = max(epochs_of(joint_run)[1:], key=lambda epoch: epoch["score"])
    assert result.before["score"] == best["score"]
    assert np.isfinite(result.metrics["loss"])
    before, after = (read_tensors(run / "joint.safetensors") for run in (joint_run, tmp_path / "reward"))
    assert not after["generator.decoder.words.weight"].equal(before["generator.decoder.words.weight"])
    assert after["image.projection.linear.weight"].equal(before["image.projection.linear.weight"])  # frozen


@pytest.mark.slow
def test_reward_makes_better_what_is_drawn(make: MakeStage) -> None:
    """The mean CIDEr of sampled captions of the photos that are learnt from."""
    stage = make(dataclasses.replace(REWARD, languages="en", batch_size=24))

    def drawn() -> float:
        with torch.no_grad():
            found = stage.memory.candidates(stage.module, stage.data.train, own=True)["en"][:, :3]
            grid = stage.data.train.views[0].inputs.float()
            queries = stage.module.images(grid)
            recalled = stage.memory.recalled(stage.module, queries, "en", found)
            seen = stage.memory.look(stage.module, grid, queries, recalled)
            prompts = prompts_of(stage.tokenizer, "en", 24)
            ids = say(stage.module.generator, seen, prompts, 26, 20, torch.Generator().manual_seed(5))
        spoken = [tuple(text.split()) for text in written(stage.tokenizer, ids[:, 1:])]
        return float(stage.reward["en"].scores(spoken, np.repeat(np.arange(24), 20).tolist()).mean())

    before = drawn()
    learner = Learner(stage.module, stage.groups(), stage.config, 12)
    for step in range(12):
        for loss in stage.losses(Draw.of_epoch(0, step)):
            learner.learn(loss, step)
    assert drawn() > before + 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [dataclasses.replace(TINY, retriever="trained", vision_blocks=1), REWARD],
    ids=["likelihood", "reward"],
)
def test_interrupted_run_resumes_to_the_last_bit(
    config: JointConfig, train: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RunDirectory.save

    def save_and_die(self: RunDirectory, *arguments) -> None:
        save(self, *arguments)
        if len(self.history) == 2:
            raise KeyboardInterrupt

    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "killed")
    with pytest.raises(InputError, match="--resume"):
        train(config, tmp_path / "killed")
    train(config, tmp_path / "killed", resume=True)
    for name in ("checkpoint.safetensors", "joint.safetensors"):
        one, two = (read_tensors(tmp_path / run / name) for run in ("whole", "killed"))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    with pytest.raises(InputError, match=r"another configuration, of other epochs \(2, now 3\)"):
        train(dataclasses.replace(config, epochs=3), tmp_path / "killed", resume=True)


class Detached(TrainingMemory):
    """Recalls as ever, but no gradient passes through the likenesses."""

    def recalled(self, *arguments) -> Recalled:
        recalled = super().recalled(*arguments)
        return recalled._replace(likenesses=recalled.likenesses.detach())


def moved(stage: Joint) -> dict[str, bool]:
    """Which parts a step's captioning loss would move."""
    Learner(stage.module, stage.groups(), stage.config, 1)
    stage.module.zero_grad()
    next(iter(stage.losses(Draw.of_epoch(0, 0)))).backward()
    weights = {
        "image head": stage.module.image.projection.linear.weight,
        "text head": stage.module.text.linear.weight,
        "sharpness": stage.module.generator.sharpness,
        "decoder": stage.module.generator.decoder.words.weight,
    }
    return {name: weight.grad is not None and bool(weight.grad.any()) for name, weight in weights.items()}


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["likelihood", "reward"])
def test_the_loss_of_captions_trains_the_retriever(make: MakeStage, objective: str) -> None:
    """Through the scores alone.

    From the attention's bias, the bias of copying and the share that can be copied, to the likenesses, to the vectors
    of the photo that is asked with, of the memory's photos and of the texts. The photo's vector that the generator
    looks at is detached, or the retriever would be bent to what is useful to see rather than to find.
    """
    config = dataclasses.replace(TINY, retriever="trained", contrast_weight=0.0, objective=objective, captions=4)
    everything = {"image head": True, "text head": True, "sharpness": True, "decoder": True}
    assert moved(make(config)) == everything
    detached = make(config)
    detached.memory = Detached(config, detached.data)
    assert moved(detached) == everything | {"image head": False, "text head": False}
    frozen = make(dataclasses.replace(config, retriever="frozen"))
    assert moved(frozen) == everything | {"image head": False, "text head": False}
    assert frozen.module.image.projection.linear.weight.grad is None


@pytest.mark.slow
def test_both_sides_of_a_likeness_are_trained(make: MakeStage) -> None:
    """A photo that is asked with, and those of the memory."""
    stage = make(dataclasses.replace(TINY, retriever="trained", languages="en", invented=0.0))
    grid = stage.data.train.views[0].inputs[:2].float().requires_grad_()
    stage.memory.pooled = (stage.memory.pooled + 1e-3).requires_grad_()  # roots of nothing have no slope
    texts = stage.memory.texts["en"].sentences.clone().requires_grad_()
    stage.memory.texts["en"] = dataclasses.replace(stage.memory.texts["en"], sentences=texts)
    queries = stage.module.images(grid)
    drawn = np.array([[4, 10, 20], [6, 12, -1]])
    batch = _Batch("en", np.array([0, 1]), grid.detach(), queries, "en", drawn)
    loss = stage._likelihood(batch, Draw.of_epoch(0, 0))
    loss.backward()
    assert grid.grad is not None
    assert grid.grad.flatten(1).abs().amax(1).min() > 0
    for given, rows in ((stage.memory.pooled, {2, 5, 10, 3, 6}), (texts, {4, 10, 20, 6, 12})):
        assert given.grad is not None
        assert set(given.grad.abs().amax(1).nonzero()[:, 0].tolist()) == rows


@pytest.mark.slow
def test_a_twin_without_memory_never_looks(make: MakeStage, train: Callable[..., Result], tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, memory_share=0.0)
    stage = make(config)
    Learner(stage.module, stage.groups(), stage.config, 1)
    next(iter(stage.losses(Draw.of_epoch(0, 0)))).backward()
    generator = stage.module.generator
    for name in ("sharpness", "none_score", "copy_gate.weight", "copy_query.weight", "neighbours.weight"):
        assert not generator.get_parameter(name).grad.any(), name
    assert generator.get_parameter("see.0.weight").grad.any()
    metrics = train(config, tmp_path / "twin").metrics
    for language in ("en", "zh"):
        assert metrics[f"{language}_CIDEr"] == metrics[f"{language}_CIDEr_off"]


@pytest.mark.slow
def test_what_is_recalled_in_training_is_another_photos(make: MakeStage) -> None:
    stage = make(TINY)
    for language, found in stage.memory.candidates(stage.module, stage.data.train, own=True).items():
        assert found.shape == (24, 6)
        owners = stage.memory.texts[language].owners[found]
        assert not (owners == np.arange(24)[:, None]).any()
        drawn = stage.memory.draw(np.arange(24), found, Draw.of_epoch(0, 0))
        looked = drawn[(drawn >= 0).all(1)]
        assert 12 < len(looked) < 24  # by ``memory_share``
        assert ((drawn >= 0).all(1) | (drawn < 0).all(1)).all()
        places = [list(found[row]).index(place) for row in range(24) for place in drawn[row] if place >= 0]
        assert all(one < two for one, two in zip(places[::3], places[1::3], strict=True))


@pytest.mark.slow
def test_the_generator_reads_what_the_memory_holds(make: MakeStage) -> None:
    stage = make(TINY)
    texts = stage.memory.texts["zh"]
    assert stage.tokenizer.decode_batch(texts.words[:2]) == ["红色的墙", "一张全是红色的图片"]
    assert texts.owners.tolist() == [photo for photo in range(24) if photo != 2 for _ in range(2)]
    queries = stage.module.images(stage.data.train.views[0].inputs[:1].float())
    recalled = stage.memory.recalled(stage.module.eval(), queries, "zh", np.array([[0, 3, -1]]))
    assert recalled.words[0, 0].tolist()[: len(texts.words[0])] == texts.words[0]
    assert not recalled.words[0, 2].any()
    # A photo is like itself, and the likeness to a text is the cosine in the shared part of the space.
    assert recalled.likenesses[0, 0, 0].item() == pytest.approx(1, abs=1e-3)
    said = stage.module.texts(texts.sentences[[3]])
    expected = (queries[:, : said.shape[1]] * said).sum()
    assert recalled.likenesses[0, 1, 1].item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.slow
def test_batches_of_photos_without_captions_in_a_language(make: MakeStage) -> None:
    """Photo 02.jpg has none in Chinese."""
    for objective in ("likelihood", "reward"):
        stage = make(dataclasses.replace(TINY, batch_size=1, objective=objective, retriever="trained"))
        losses = [loss.item() for loss in stage.losses(Draw.of_epoch(0, 0))]
        assert len(losses) == 24
        assert np.isfinite(losses).all()


@pytest.mark.slow
def test_held_out_photos_without_captions_do_not_count(
    make: MakeStage, caption_data: AlignData, tmp_path: Path
) -> None:
    lines = caption_data.captions["zh"].read_text(encoding="utf-8").splitlines()
    some = tmp_path / "captions.zh.txt"
    some.write_text("\n".join(line for line in lines if not line.startswith(("25", "30"))), encoding="utf-8")
    captions = {**caption_data.captions, "zh": some}
    whole, part = make(TINY), make(TINY, dataclasses.replace(caption_data, captions=captions))
    with torch.inference_mode():
        one, two = whole.evaluate(whole.module.eval()), part.evaluate(part.module.eval())
    assert one["en_CIDEr"] == two["en_CIDEr"]
    assert np.isfinite(two["zh_CIDEr"])
    some.write_text("\n".join(line for line in lines if line < "24" or line.startswith("image")), encoding="utf-8")
    with pytest.raises(InputError, match=r"dev\.txt: none of its photos has a caption in 'zh': change languages"):
        make(TINY, dataclasses.replace(caption_data, captions=captions))


@pytest.mark.slow
def test_a_frozen_retriever_finds_in_training_what_it_finds_later(make: MakeStage) -> None:
    stage = make(TINY)
    next(iter(stage.losses(Draw.of_epoch(0, 0))))
    inputs = stage.data.train.views[0].inputs[:8].float()
    assert stage.module.generator.training
    with torch.no_grad():
        queries = stage.module.images(inputs)
        found = stage.memory.recalled(stage.module, queries, "en", np.full((8, 3), 5)).likenesses
        stage.module.eval()
        queries = stage.module.images(inputs)
        expected = stage.memory.recalled(stage.module, queries, "en", np.full((8, 3), 5)).likenesses
    assert found.equal(expected)


@pytest.mark.slow
def test_photos_of_the_memory_are_seen_by_the_cnn_as_it_is_now(make: MakeStage) -> None:
    stage = make(dataclasses.replace(TINY, vision_blocks=1))
    before = stage.memory.pooled
    with torch.no_grad():
        stage.module.top.conv_head.weight.mul_(1.5)
    next(iter(stage.losses(Draw.of_epoch(0, 0))))
    maps = stage.data.train.views[0].inputs
    with torch.no_grad():
        torch.testing.assert_close(stage.memory.pooled, stage.module.top.pooled(maps))
    assert (stage.memory.pooled - before).abs().max() > 0.01


@pytest.mark.slow
def test_embeddings_are_those_of_the_towers(make: MakeStage, caption_data: AlignData, bundle: Path) -> None:
    """A generator begins over the towers of the bundle as they are."""
    stage, model = make(TINY), load_model(bundle)
    module = stage.module.eval()
    with torch.inference_mode():
        images = module.images(stage.data.train.views[0].inputs.float())
        texts = module.texts(stage.memory.texts["en"].sentences[:2])
    expected = model.encode_texts(["a red wall", "a picture that is all red"])
    np.testing.assert_allclose(texts.numpy(), expected[:, : texts.shape[1]], atol=0.02)  # read in 16 bits
    photos = sorted(caption_data.images.glob("*.jpg"))[:24]
    np.testing.assert_allclose(images.numpy(), model.encode_images(photos), atol=0.02)


@pytest.mark.slow
def test_questions_of_a_photo(make: MakeStage, colour_questions: Path) -> None:
    stage = make(ASKING, asked=read_questions(colour_questions))
    english, chinese = (stage.data.train.questions[language] for language in ("en", "zh"))
    assert (len(english), len(chinese), len(stage.data.dev.questions["en"])) == (24, 23, 8)
    assert [list(chinese.of(photo)) for photo in (1, 2, 3)] == [[1], [], [2]]
    decode = stage.tokenizer.decode
    assert decode(english.prompts[5]) == "what colour is the wall?"
    assert (decode(english.answers[5]), english.said[5]) == ("green", "green")
    # They stand in the memory behind the captions.
    texts = stage.memory.texts["zh"]
    assert (texts.captions, len(texts.words)) == (46, 69)
    assert decode(texts.words[46 + 2]) == "墙是什么颜色的？ 白色"
    assert texts.owners[46:].tolist() == chinese.owners.tolist()


@pytest.mark.slow
def test_the_loss_of_answers_is_that_of_answers_alone(make: MakeStage, colour_questions: Path) -> None:
    """Of the tokens of each answer and its end, by the whole distribution of each."""
    config = dataclasses.replace(ASKING, languages="en", memory_share=0.0, blind=0.0, invented=0.0, dropout=0.0)
    stage = make(config, asked=read_questions(colour_questions))
    stage.module.eval()
    questions = stage.data.train.questions["en"]
    grid = stage.data.train.views[0].inputs[[0, 5]].float()
    queries = stage.module.images(grid)
    batch = _Batch("en", np.array([0, 5]), grid, queries, "en", np.full((2, 3), -1))
    with torch.no_grad():
        loss = stage._answering(batch, Draw.of_epoch(0, 0))
        ids = torch.tensor([[*questions.prompts[number], *questions.answers[number]] for number in (0, 5)])
        seen = stage._seen(batch)
        told = stage.module.generator(ids, stage.module.generator.decoder.no_past(2), seen).log_probabilities
    length = len(questions.answers[0])
    targets = ids[:, -length:, None]
    expected = -told[:, -length - 1 : -1].gather(2, targets).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)  # in 16 bits


@pytest.mark.slow
def test_answers_of_other_photos_are_recalled(make: MakeStage, colour_questions: Path) -> None:
    """Never those of the photo itself, nor anything in questions that are asked blindly."""
    looked: list[np.ndarray] = []

    class Watched(TrainingMemory):
        def recalled(self, module, queries, language, drawn, words=None, asked=None) -> Recalled:
            if asked is not None:
                blind = ~queries.any(1).numpy()
                assert (drawn[blind] == -1).all()
                looked.append(drawn[~blind])
            return super().recalled(module, queries, language, drawn, words, asked)

    config = dataclasses.replace(ASKING, languages="en", answered=0.5, blind=0.5, batch_size=24, memory_share=1.0)
    stage = make(config, asked=read_questions(colour_questions))
    stage.memory = Watched(config, stage.data)
    for _ in stage.losses(Draw.of_epoch(0, 0)):
        pass
    (drawn,) = looked
    assert 4 < len(drawn) < 20
    answers = drawn >= stage.memory.texts["en"].captions
    assert 0.2 < answers.mean() < 0.8


@pytest.mark.slow
def test_questions_about_other_photos(make: MakeStage, train: Callable[..., Result], tmp_path: Path) -> None:
    strange = [Question("99.jpg", "what is it?", "wall", "object", "en")]
    with pytest.raises(InputError, match=r"none of the questions is about a photo of the training split"):
        make(ASKING, asked=strange)
    with pytest.raises(InputError, match=r"none of the questions"):
        train(ASKING, tmp_path / "run")


@pytest.mark.slow
def test_directories_that_do_not_do(
    caption_data: AlignData, bundle: Path, language_run: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "joint.toml").write_text("", encoding="utf-8")

    def refused(start: Path | str, language_model: Path) -> Exception | None:
        options = ["--config", tmp_path / "joint.toml", "--data", caption_data.images.parent, "--out", tmp_path / "out"]
        options += ["--from", start, "--lm", language_model]
        return CliRunner().invoke(app, ["joint", *map(str, options)]).exception

    error = refused(bundle, tmp_path / "nothing")
    assert isinstance(error, InputError)
    assert "decoder.json: missing: make it with revln train lm --out" in str(error)
    assert isinstance(refused(tmp_path, language_run), BundleError)
    with pytest.raises(InputError, match=r"joint\.safetensors: missing: make it with revln train joint --out"):
        GeneratorStart.of_run(tmp_path, TINY)


@pytest.mark.slow
def test_a_language_without_captions_is_named(
    caption_data: AlignData, bundle: Path, joint_run: Path, make: MakeStage
) -> None:
    english = dataclasses.replace(caption_data, captions={"en": caption_data.captions["en"]})
    with pytest.raises(InputError, match=r"no captions in 'zh': put captions\.zh\.txt beside"):
        make(TINY, english)
    assert make(dataclasses.replace(TINY, languages="en"), english).data.languages == ["en"]
    assert load_config(joint_run.with_suffix(".toml"), JointConfig).languages == "en zh"

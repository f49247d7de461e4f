"""From a run of ``revln train joint`` to a bundle with a generator."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from tokenizers import Tokenizer

from revln.errors import InputError
from revln.metrics import Line, fit_line
from revln.models import Bundle, Card, Model, Querybank
from revln.models.bundle import GENERATOR_LOOK, GENERATOR_SAY, GENERATOR_TOKENIZER, TEXT, VISION
from revln.text.questions import Question
from revln.train.config import AlignConfig, JointConfig
from revln.train.efficientnet import Top
from revln.train.export import completed, draft_bundle, measured, replaced
from revln.train.generator_files import write_generator
from revln.train.generator_start import GeneratorStart
from revln.train.joint_data import read_joint_data
from revln.train.joint_measures import Measures
from revln.train.joint_memory import TrainingMemory
from revln.train.joint_model import JointModel, joint_model
from revln.train.onnx_files import Precision
from revln.train.pairs import AlignData
from revln.train.run_directory import best_epoch, check_run
from revln.train.starting import Start
from revln.train.towers import Towers

__all__ = ["JointRun", "export_joint", "load_joint", "querybank_of"]

_QUERYBANK = 2000  # texts; twice or half as many tell hubs as well (benchmarks/README.md)
_CAPTIONS_PER_TEXT = 10


@dataclass(frozen=True, slots=True)
class JointRun:
    """A run that has ended.

    Attributes:
        config: of the run.
        made_with: how its towers were trained before.
        start: the towers that it began with.
        model: its best weights, in evaluation mode.
        tokenizer: of the generator.
    """

    config: JointConfig
    made_with: AlignConfig
    start: Start
    model: JointModel
    tokenizer: Tokenizer

    def towers(self) -> Towers:
        """The towers as the run has left them; the CNN of ``start`` is changed with them."""
        towers = self.start.towers(self.made_with)
        towers.image.load_state_dict(self.model.image.state_dict())
        towers.text.projection.load_state_dict(self.model.text.state_dict())
        Top(self.start.trunk, self.config.vision_blocks).load_state_dict(self.model.top.state_dict())
        return towers.eval()


def load_joint(run: Path, bundle: Bundle) -> JointRun:
    """Reads a run.

    Args:
        run: its directory.
        bundle: whose towers it began with.

    Raises:
        InputError: the directory holds no finished epoch of such a run, or it began with another bundle.
    """
    check_run(run, ["config.json"], "joint")
    config = JointConfig(**json.loads((run / "config.json").read_text(encoding="utf-8")))
    if config.start != bundle.card.id:
        raise InputError(f"{run}: was trained on the towers of {config.start}, not of {bundle.card.id}: give those")
    begun = GeneratorStart.of_run(run, config)
    made_with, start = Start.of_bundle(bundle)
    model = joint_model(config, made_with, start, begun.part)
    model.load_state_dict(begun.weights)
    return JointRun(config, made_with, start, model.eval(), begun.part.tokenizer)


def export_joint(
    run: Path,
    bundle: Bundle,
    data: AlignData,
    unrelated: Sequence[str],
    golden_photos: Sequence[Path],
    out: Path,
    *,
    questions: Sequence[Question] = (),
    vision_precision: Precision = "fp16",
    text_precision: Precision = "int8",
    generator_precision: Precision = "int8",
) -> Card:
    """Writes a bundle with the towers of a run and its generator. It replaces ``out`` only when it is complete.

    Args:
        run: directory of ``revln train joint``.
        bundle: whose towers the run began with.
        data: what the run was trained on; its dev photos calibrate the bundle and measure it.
        unrelated: sentences that fit none of the dev photos.
        golden_photos: photos that may be shipped.
        out: directory of the bundle.
        questions: those that the run was trained with; the ones about the dev photos tell how sure its answers are.
        vision_precision: how the image tower's weights are stored.
        text_precision: how the text tower's weights are stored.
        generator_precision: how the generator's weights are stored.
    """
    trained = load_joint(run, bundle)
    config = dataclasses.replace(trained.made_with, name=trained.config.name, version=trained.config.version)
    towers = trained.towers()
    with replaced(out) as directory:
        model = draft_bundle(
            bundle.directory, config, towers, directory, vision_precision, text_precision, trunk=trained.start.trunk
        )
        write_generator(
            trained.model.generator, directory / GENERATOR_LOOK, directory / GENERATOR_SAY, generator_precision
        )
        trained.tokenizer.save(str(directory / GENERATOR_TOKENIZER))
        querybank_of(model, data).save(directory)
        stored = f"vision {vision_precision}, text {text_precision}, generator {generator_precision}"
        numbers = {"weights stored as": stored, "captions of the dev split, greedy": best_epoch(run)[1]}
        generator = {
            "languages": trained.config.languages.split(),
            "max_tokens": trained.config.max_tokens,
            "recalled_tokens": trained.config.recalled_tokens,
            "likeness_weights": trained.model.generator.sharpness.exp().tolist(),
            "decoder": dataclasses.asdict(trained.model.generator.decoder.size),
            "answers": bool(trained.config.question_weight),
            "answer_confidence": _answer_confidence(trained, data, questions, run.parent / "features"),
            "towers": {name: model.card.files[name] for name in (VISION, TEXT)},
            "training": dataclasses.asdict(trained.config),
        }
        own = {"name": "captions of the training split, for the generator", "terms": "Flickr8k: research use only"}
        return completed(
            model,
            golden_photos,
            directory,
            **measured(model, data, unrelated, directory, numbers),
            weights=bundle.card.weights,
            data=(*bundle.card.data, own),
            generator=generator,
        )


def querybank_of(model: Model, data: AlignData) -> Querybank:
    """Captions of the training photos in all languages, in few: the centres of spherical k-means."""
    said = data.read(data.train, model.card.languages)
    vectors = model.encode_texts([text for texts in said.values() for own in texts.values() for text in own])
    shared = np.ascontiguousarray(vectors[:, : model.card.text.dim])
    size = min(_QUERYBANK, -(-len(shared) // _CAPTIONS_PER_TEXT))
    means = faiss.Kmeans(shared.shape[1], size, spherical=True, min_points_per_centroid=1, seed=0)
    means.train(shared)
    return Querybank(means.centroids)


def _answer_confidence(trained: JointRun, data: AlignData, questions: Sequence[Question], cache: Path) -> Line:
    """From the log-odds of answers about the dev photos, with the memory, to those of their being right."""
    if not trained.config.question_weight:
        return 1.0, 0.0
    config = dataclasses.replace(trained.config, views=1)
    read = read_joint_data(config, trained.made_with, data, trained.start, trained.tokenizer, cache, questions)
    memory = TrainingMemory(config, read)
    measures = Measures(config, read, memory, trained.tokenizer)
    found = memory.candidates(trained.model, read.dev, own=False)
    answers = [
        answer for language in read.languages for answer in measures.answers(trained.model, language, found[language])
    ]
    right, wrong = (np.array([answer.log_odds for answer in answers if answer.right is kind]) for kind in (True, False))
    if not (len(right) and len(wrong)):
        return 1.0, 0.0
    return fit_line(right, wrong, balanced=False)

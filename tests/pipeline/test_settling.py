"""Which answer is given: with the memory and without it, and by what it mentions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.answer import Decoding, Sentence
from revln.models import Model, load_model
from revln.models.generator import Seen
from revln.pipeline import Memory, ask
from revln.pipeline.generators import generator_of, grid_of
from revln.pipeline.settling import settle
from revln.retrieve import Recollection
from revln.types import Hit, Record
from tiny_bundle import make_tiny_bundle

RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "answering", generator=True))


def settled(model: Model, text: str, likeness: float, **found: float) -> str:
    """The answer about a red photo, of which a record is recalled whose picture has that cosine to it.

    ``found`` are answers with the log-probabilities that each of their tokens has with the memory.
    """
    generator, (seen,) = generator_of(model), model.look([RED])
    record = Record(id="1", source="s", kind="image_text", uri="/1.jpg", texts=(text,))
    recalled = Recollection((Hit(1, likeness, 0.5, record, likeness, text),), np.array([[likeness, 0, 0]], np.float32))

    def context(texts: list[str]) -> Seen:
        return generator.look(
            grid_of(seen, model), model.shared(seen.embeddings), [texts], recalled.likenesses[None, : len(texts)]
        )

    answers = [answer.replace("_", " ") for answer in found]
    sentences = [
        Sentence(tuple(ids), (chance,) * (len(ids) + 1), np.zeros(1, np.float32))
        for ids, chance in zip(generator.encode(answers), found.values(), strict=True)
    ]
    contexts = (context([text]), context([]))
    prompt = generator.question("what is it?")
    (sentence,) = settle(generator, contexts, [recalled], [prompt], [sentences], Decoding())
    return generator.decode(sentence.ids)


def test_what_the_memory_misleads_to_is_not_said(model: Model) -> None:
    """By itself the generator is sure that it is a red photo."""
    assert settled(model, "a wall", 0.4, Ada=-0.3, red_photo=-0.6) == "red photo"
    assert settled(model, "a wall", 0.4, Ada=-0.1, red_photo=-9.0) == "red photo"


def test_of_a_photo_that_it_holds_the_memory_decides(model: Model) -> None:
    assert settled(model, "a wall", 1.0, Ada=-0.3, red_photo=-0.6) == "Ada"
    assert settled(model, "a wall", 0.95, Ada=-0.1, red_photo=-3.0) == "Ada"


def test_what_is_mentioned_is_likelier(model: Model) -> None:
    assert settled(model, "a wall", 0.6, Ada=-0.01, red_photo=-2.0) == "red photo"
    assert settled(model, "Ada on the wall", 0.6, Ada=-0.01, red_photo=-2.0) == "Ada"


def test_one_answer_is_given_as_it_is(model: Model) -> None:
    assert settled(model, "a wall", 0.4, Ada=-0.3) == "Ada"


def test_the_taught_answer_is_given_of_its_photo_and_like_ones(model: Model, tmp_path: Path) -> None:
    """Through the whole: the tiny generator repeats what was taught."""
    memory = Memory.open(tmp_path / "memory.revln", model=model)
    Image.fromarray(RED).save(tmp_path / "red.png")
    memory.add(image=tmp_path / "red.png", question="what is it?", answer="Ada")
    for colour in ((255, 0, 0), (250, 40, 0), (200, 0, 100)):
        assert ask(np.full((8, 8, 3), colour, np.uint8), "what is it?", memory=memory).text.endswith("Ada")

"""Training is tested where torch is installed; elsewhere these tests are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


def pytest_report_header() -> str | None:
    return None if find_spec("torch") else "tests/train: skipped, torch is not installed"


@pytest.fixture(scope="session", autouse=True)
def _no_font_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Matplotlib keeps its list of fonts in a temporary place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


@pytest.fixture(scope="session")
def caption_data(tmp_path_factory: pytest.TempPathFactory):
    """A caption data set of 24 training and 8 dev photos: colours with their names, in English and Chinese.

    Photo 02.jpg has no captions in Chinese; the captions of the training photos have translations.
    """
    import numpy as np
    from PIL import Image

    from revln.train.pairs import AlignData

    folder = tmp_path_factory.mktemp("captions")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    names, english, chinese = [], ["image,caption"], ["image,caption"]
    translated = ["image,en,zh"]
    colours = {
        ("red", "红色"): (220, 30, 30),
        ("green", "绿色"): (30, 200, 40),
        ("blue", "蓝色"): (20, 40, 210),
        ("white", "白色"): (240, 240, 240),
    }
    for number in range(32):
        (word, its_chinese), colour = list(colours.items())[number % 4]
        noise = rng.normal(0, 20, (48, 48, 3))
        pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        name = f"{number:02}.jpg"
        names.append(name)
        Image.fromarray(pixels).save(folder / "images" / name)
        english += [f"{name},a {word} wall", f"{name},a picture that is all {word}"]
        if number != 2:
            chinese += [f"{name},{its_chinese}的墙", f"{name},一张全是{its_chinese}的图片"]
        if number < 24:
            translated.append(f"{name},a {word} wall,一面{its_chinese}的墙。")
    files = {
        "captions.txt": english,
        "captions.zh.txt": chinese,
        "parallel.en-zh.txt": translated,
        "train.txt": names[:24],
        "dev.txt": names[24:],
    }
    for file, lines in files.items():
        (folder / file).write_text("\n".join(lines), encoding="utf-8")
    return AlignData.in_folder(folder)


@pytest.fixture(scope="session")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dictionary of three entries in the form of WordNet's database files."""
    folder = tmp_path_factory.mktemp("dictionary")
    files = {
        "data.noun": "00000100 03 n 02 Wall 0 garden_wall 0 001 @ 00000200 n 0000 | a thing of stones that one builds",
        "data.verb": '00000100 29 v 01 paint 0 000 | cover with colour; "They paint the wall"; "paint it red"',
        "data.adj": "00000100 00 a 03 red(a) 0 ok 0 as_red_as_a_rose 1 000 | of the colour of blood",
    }
    for name, entry in files.items():
        (folder / name).write_text(f"  1 A licence, which is no entry.\n{entry}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def distilled(caption_data, dictionary: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """``distilled("gru", 1)`` gives the directory of a smoke run of ``revln train distil`` of that encoder."""
    from typer.testing import CliRunner

    from revln.train.cli import app

    runs = tmp_path_factory.mktemp("distillations")

    @cache
    def run(encoder: str, layers: int) -> Path:
        out = runs / f"{encoder}-{layers}"
        config = runs / f"{out.name}.toml"
        config.write_text(f'encoder = "{encoder}"\nlayers = {layers}\nchinese_pieces = 500', encoding="utf-8")
        options = ["--config", config, "--data", caption_data.images.parent, "--dictionary", dictionary, "--out", out]
        reply = CliRunner().invoke(app, ["distil", *map(str, options), "--smoke"], catch_exceptions=False)
        assert reply.exit_code == 0
        return out

    return run


@pytest.fixture(scope="session")
def bundle(caption_data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of colours, made by a training that changed the CNN, too; the run is ``runs/first`` beside it."""
    import dataclasses

    from revln.train.align import align
    from revln.train.export import export, shipped_photos
    from revln.train.starting import Start
    from small_training import COLOURS

    config = dataclasses.replace(COLOURS, epochs=3, vision_blocks=1)
    root = tmp_path_factory.mktemp("start")
    align(config, caption_data, root / "runs" / "first", start=Start.packaged(config))
    unrelated = ["an electricity bill", "a map of the underground", "an x-ray", "a spreadsheet"]
    export(root / "runs" / "first", caption_data, unrelated, shipped_photos(2), root / "bundle")
    return root / "bundle"


@pytest.fixture(scope="session")
def language_run(caption_data, dictionary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run of ``revln train lm`` on the captions of colours; its configuration is beside it."""
    from typer.testing import CliRunner

    from revln.train.cli import app

    out = tmp_path_factory.mktemp("languages") / "lm"
    config = out.with_suffix(".toml")
    size = "pieces = 300\nwidth = 32\nlayers = 2\nheads = 4\nkey_heads = 2\nhidden = 64"
    learning = "epochs = 8\nbatch_size = 4\nrate = 1e-2\nweight_decay = 0\nema = 0.8"
    config.write_text(f"{size}\n{learning}\n", encoding="utf-8")
    options = ["--config", config, "--data", caption_data.images.parent, "--dictionary", dictionary, "--out", out]
    reply = CliRunner().invoke(app, ["lm", *map(str, options)], catch_exceptions=False)
    assert reply.exit_code == 0
    return out


@pytest.fixture(scope="session")
def colour_questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that asks for the colour of each photo in both languages; of 02.jpg, in English only."""
    from revln.sources import write_questions
    from revln.text.questions import Question

    file = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    colours = [("red", "红色"), ("green", "绿色"), ("blue", "蓝色"), ("white", "白色")]
    questions = []
    for number in range(32):
        (english, chinese), name = colours[number % 4], f"{number:02}.jpg"
        questions.append(Question(name, "what colour is the wall?", english, "colour", "en"))
        if number != 2:
            questions.append(Question(name, "墙是什么颜色的？", chinese, "colour", "zh"))
    write_questions(file, questions)
    return file


@pytest.fixture(scope="session")
def joint_run(
    caption_data, bundle: Path, language_run: Path, colour_questions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The directory of a run of ``revln train joint`` on the colours; its configuration is beside it."""
    from typer.testing import CliRunner

    from revln.train.cli import app

    out = tmp_path_factory.mktemp("generators") / "joint"
    config = out.with_suffix(".toml")
    # The decoder learns anew, so that all that it says in the end was learnt here.
    settings = 'name = "colours"\ndecoder = "scratch"\nviews = 2\nrecalled = 3\ncandidates = 6\nsmoothing = 0'
    learning = "question_weight = 1\nepochs = 12\nbatch_size = 2\nrate = 1e-2\ndropout = 0.1\nema = 0.8"
    config.write_text(f"{settings}\n{learning}\n", encoding="utf-8")
    options = ["--config", config, "--data", caption_data.images.parent, "--out", out]
    options += ["--from", bundle, "--lm", language_run, "--questions", colour_questions]
    reply = CliRunner().invoke(app, ["joint", *map(str, options)], catch_exceptions=False)
    assert reply.exit_code == 0
    return out


@pytest.fixture(scope="session")
def labelled_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 30 photos in sub-folders by their colour: ten each of blue, green and red."""
    import numpy as np
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    for label, colour in {"blue": (20, 40, 210), "green": (30, 200, 40), "red": (220, 30, 30)}.items():
        (folder / label).mkdir()
        for number in range(10):
            pixels = np.clip(np.array(colour) + rng.normal(0, 20, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.jpg")
    return folder

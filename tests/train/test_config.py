from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from revln.errors import ConfigError
from revln.train.config import (
    AlignConfig,
    DistilConfig,
    JointConfig,
    LanguageConfig,
    StageConfig,
    VisionConfig,
    load_config,
)

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
STAGES: dict[str, type[StageConfig]] = {
    "align": AlignConfig,
    "distil": DistilConfig,
    "joint": JointConfig,
    "lm": LanguageConfig,
    "vision": VisionConfig,
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_bind(path: Path) -> None:
    """A file is called after the stage whose it is."""
    config = load_config(path, STAGES[path.stem.split("-")[0]])
    assert config.name
    assert config.smoke().epochs <= 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_say_what_to_expect(path: Path) -> None:
    header = path.read_text(encoding="utf-8").split("\nname")[0]
    assert all(line.startswith("#") for line in header.splitlines())
    for word in ("Command:", "Duration:", "Expected:", path.name):
        assert word in header


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("epoch = 3", "unknown key 'epoch': did you mean 'epochs'?"),
        ("texts_rate = 3", "unknown key 'texts_rate': did you mean 'text_rate'?"),
        ("xyz = 3", "unknown key 'xyz': known are batch_size, captions, clip"),
        ("epochs = 'three'", "epochs = 'three': expected int"),
        ("epochs = 3.0", "epochs = 3.0: expected int"),
        ("epochs = true", "epochs = True: expected int"),
        ("epochs = 0", "epochs = 0: must be at least 1"),
        ("name = 3", "name = 3: expected str"),
        ("dropout = 1.0", "must be at least 0 and below 1"),
        ("text_rate = -1e-5", "text_rate = -1e-05: must be at least 0"),
        ("head_rate = nan", "must be at least 0"),
        ("head_rate = inf", "below inf"),
        ("vision = 'lite3'", "vision = 'lite3': choose from lite0, lite1, lite2"),
        ("seed = -1", "must be at least 0"),
        ("text = 'lstm'", "text = 'lstm': choose from minilm, transformer, gru"),
        ("languages = 'zh'", "languages = 'zh': choose from en, en zh"),
        ("max_tokens = 65", "max_tokens = 65: must be at least 1 and below 65"),
        ("[epochs]\na = 1", "expected int"),
        ("epochs = ", "not valid TOML"),
    ],
)
def test_bad_configs_are_refused_by_name(tmp_path: Path, toml: str, complaint: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path, AlignConfig)
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)


def test_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such"):
        load_config(tmp_path / "none.toml", AlignConfig)


def test_whole_numbers_do_for_fractions(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("max_aspect = 2", encoding="utf-8")
    config = load_config(path, AlignConfig)
    assert config == AlignConfig(max_aspect=2.0)
    assert type(config.max_aspect) is float


def test_infinity_where_it_means_something() -> None:
    assert AlignConfig(max_aspect=math.inf).max_aspect == math.inf


def test_a_stage_adds_fields_to_those_of_all(tmp_path: Path) -> None:
    @dataclass(frozen=True, slots=True)
    class OtherConfig(StageConfig):
        """Of another stage."""

        epochs: int = 7
        shuffle: bool = True

    path = tmp_path / "a.toml"
    path.write_text("shuffle = false\nclip = 1", encoding="utf-8")
    config = load_config(path, OtherConfig)
    assert (config.epochs, config.shuffle, config.clip, config.seed) == (7, False, 1.0, 0)
    assert config.smoke().epochs == 2
    with pytest.raises(ConfigError, match="expected bool"):
        OtherConfig(shuffle=1)  # type: ignore[arg-type]


def test_language_models_whose_heads_do_not_fit() -> None:
    with pytest.raises(ConfigError, match=r"heads = 8: width = 24 is not an even number for each"):
        LanguageConfig(width=24, heads=8)
    with pytest.raises(ConfigError, match=r"key_heads = 3: heads = 8 is not a multiple"):
        LanguageConfig(key_heads=3)


def test_more_texts_are_drawn_from_than_looked_at() -> None:
    with pytest.raises(ConfigError, match=r"candidates = 4: fewer than recalled = 8"):
        JointConfig(candidates=4)

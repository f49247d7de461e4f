from __future__ import annotations

from pathlib import Path

import pytest

from revln.errors import ConfigError
from revln.train.config import AlignConfig, load_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("align-*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_bind(path: Path) -> None:
    assert load_config(path).name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_say_what_to_expect(path: Path) -> None:
    header = path.read_text(encoding="utf-8").split("\nname")[0]
    for word in ("Command:", "Duration:", "Expected:"):
        assert word in header


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("epoch = 3", "unknown key 'epoch'"),
        ("epochs = 'three'", "expected int"),
        ("epochs = true", "expected int"),
        ("epochs = 0", "must be at least 1"),
        ("dropout = 1.0", "below 1"),
        ("text_rate = -1e-5", "must not be negative"),
        ("epochs = ", "not valid TOML"),
    ],
)
def test_bad_configs_are_refused_by_name(tmp_path: Path, toml: str, complaint: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint) as refused:
        load_config(path)
    assert "bad.toml" in str(refused.value)


def test_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such"):
        load_config(tmp_path / "none.toml")


def test_whole_numbers_do_for_fractions(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("max_aspect = 2", encoding="utf-8")
    assert load_config(path) == AlignConfig(max_aspect=2.0)

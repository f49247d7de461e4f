"""Weights on disk, as safetensors: a file is replaced whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from revln.errors import InputError, TrainingError

__all__ = ["load_into", "read_note", "read_tensors", "replacing", "tensors_of", "write_tensors"]

_NOTE = "note"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives the name of a draft to write, which takes the place of ``path`` once it is complete and on disk.

    Raises:
        TrainingError: it cannot be written; ``path`` is as it was.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        way_out = "free some space if the disk is full, then go on with --resume; the file of before is kept"
        raise TrainingError(f"{path}: cannot be written ({reason}): {way_out}") from error
    finally:
        draft.unlink(missing_ok=True)


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Weights and lasting buffers by name; a weight with several names goes by its first."""
    lasting = module.state_dict()
    named = chain(module.named_parameters(), module.named_buffers())
    return {name: tensor.detach() for name, tensor in named if name in lasting}


@torch.no_grad()
def load_into(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies what ``tensors_of`` gave into a module of the same make.

    Raises:
        InputError: a name or shape differs.
    """
    own = tensors_of(module)
    for name in own.keys() | tensors.keys():
        if name not in own or name not in tensors or own[name].shape != tensors[name].shape:
            raise InputError(f"the weights are of another model, {name} differs: train anew, with another --out")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def write_tensors(path: Path, tensors: Mapping[str, Tensor], note: str = "") -> None:
    """Writes tensors, with a note that can be read alone.

    Raises:
        TrainingError: they cannot be written; the file of before is kept.
    """
    with replacing(path) as draft:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, draft, {_NOTE: note})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, in memory of their own.

    Raises:
        InputError: the file is missing or damaged.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no mapping


def read_note(path: Path) -> str:
    """The note of a file.

    Raises:
        InputError: the file is missing or damaged.
    """
    with _opened(path) as file:
        return str((file.metadata() or {}).get(_NOTE, ""))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}): train anew, with another --out") from error

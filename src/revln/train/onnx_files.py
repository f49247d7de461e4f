"""Export to ONNX, and compact storage of an ONNX file's weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from revln.errors import ConfigError

__all__ = ["PRECISIONS", "Precision", "export_onnx", "parse_precision", "read_weights", "store_weights"]

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
_OPSET = 17
_STORED = "_stored"
_SCALE = "_scale"
_SMALLEST = 1024  # weights below this many numbers stay as they are


def parse_precision(name: str) -> Precision:
    """The precision of a name.

    Raises:
        ConfigError: there is none of that name.
    """
    for precision in PRECISIONS:
        if precision == name:
            return precision
    raise ConfigError(f"unknown precision {name!r}: choose from {', '.join(PRECISIONS)}")


def export_onnx(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    path: Path,
    dynamic: Sequence[str] = ("n",),
    axes: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Writes a module as ONNX.

    Args:
        module: takes the inputs in their order.
        inputs: an example of each, by name.
        outputs: names.
        path: of the file.
        dynamic: names of the leading axes of inputs, which are free; the first of outputs is, too.
        axes: the free axes of each input and output by number, instead.
    """
    if axes is None:
        axes = {name: dict(enumerate(dynamic)) for name in inputs} | {name: {0: dynamic[0]} for name in outputs}
    with warnings.catch_warnings():
        # The tracing exporter, unlike its successor, needs no onnxscript; what it warns of (Python numbers fixed at
        # trace time) is meant: the image size is part of the bundle.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(own) for name, own in axes.items()},
            opset_version=_OPSET,
            do_constant_folding=False,  # the runtime does it; here it would cost the weights their names
            dynamo=False,
        )


def store_weights(path: Path, precision: Precision) -> None:
    """Rewrites an ONNX file so that its large weights are stored in fewer bits.

    Arithmetic stays float32: the runtime unpacks the weights once, when it loads the file. So results are the same
    on every processor, with or without 8-bit instructions. int8 is symmetric, with one scale a row of the output.
    """
    if precision == "fp32":
        return
    model = onnx.load(str(path))
    graph = model.graph
    consumers = {name: node.op_type for node in graph.node for name in node.input}
    packed, nodes, kept = [], [], []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _SMALLEST or weights.ndim < 2:
            kept.append(tensor)
            continue
        stored = tensor.name + _STORED
        if precision == "fp16":
            packed.append(numpy_helper.from_array(weights.astype(np.float16), stored))
            nodes.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
            continue
        # MatMul holds outputs in the last axis; Conv, Gemm (transposed) and Gather in the first.
        axis = weights.ndim - 1 if consumers.get(tensor.name) == "MatMul" else 0
        scale = np.abs(weights).max(axis=tuple(i for i in range(weights.ndim) if i != axis), keepdims=True) / 127
        scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
        packed.append(numpy_helper.from_array(np.round(weights / scale).astype(np.int8), stored))
        packed.append(numpy_helper.from_array(scale, stored + _SCALE))
        nodes.append(helper.make_node("Cast", [stored], [stored + "_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [stored + "_float", stored + _SCALE], [tensor.name]))
    original = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept + packed)
    graph.node.extend(nodes + original)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a graph that ``export_onnx`` and ``store_weights`` have written, by their names in the module."""
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}
    weights = {}
    for name, values in held.items():
        if not name.endswith(_SCALE):
            wide = values.astype(np.float32) if name.endswith(_STORED) else values
            scale = held.get(name + _SCALE)
            weights[name.removesuffix(_STORED)] = torch.from_numpy(np.array(wide if scale is None else wide * scale))
    return weights

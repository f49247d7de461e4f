"""The text encoders against their references, alone and as exported graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from revln.errors import ConfigError, InputError
from revln.text import pad
from revln.train.gru import GRUEncoder
from revln.train.minilm import load_pretrained
from revln.train.onnx_files import export_onnx, store_weights
from revln.train.text_encoders import TextEncoder, in_chunks, load_text_part
from revln.train.transformer import TransformerEncoder, attend

SENTENCES = [[3, 7, 7, 1, 9, 2], [4], [5, 8, 2], [6, 6, 6, 6]]


def transformer() -> TextEncoder:
    return TransformerEncoder(vocabulary=10, width=48, layers=2, heads=3, hidden=64, positions=8, dropout=0.1)


def gru() -> TextEncoder:
    return GRUEncoder(vocabulary=10, width=48, layers=2, dropout=0.1)


@pytest.fixture(params=[transformer, gru], ids=lambda make: make.__name__)
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    torch.manual_seed(0)
    made: TextEncoder = request.param().eval()
    return made


def batch(sentences: list[list[int]], length: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = pad(sentences, length=length)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def test_attention_is_torchs() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 5, 6)
    mask = batch([[1] * 5, [1] * 3])[1].bool()[:, None, None, :]
    bias = (mask.float() - 1) * 1e4
    expected = nn.functional.scaled_dot_product_attention(q, k, v, mask)
    torch.testing.assert_close(attend(q, k, v, bias, nn.Dropout(0.5).eval()), expected, atol=1e-5, rtol=1e-5)


def test_recurrence_is_torchs() -> None:
    """Two GRUs over whole and turned sentences are torch's bidirectional one over packed sequences."""
    torch.manual_seed(0)
    encoder = gru().eval()
    reference = nn.GRU(48, 24, num_layers=2, batch_first=True, bidirectional=True)
    for layer, (ahead, behind) in enumerate(zip(encoder.forwards, encoder.backwards, strict=True)):
        for name, weights in ahead.state_dict().items():
            reference.state_dict()[name.replace("l0", f"l{layer}")].copy_(weights)
        for name, weights in behind.state_dict().items():
            reference.state_dict()[name.replace("l0", f"l{layer}_reverse")].copy_(weights)
    ids, mask = batch(SENTENCES)
    with torch.inference_mode():
        packed = nn.utils.rnn.pack_padded_sequence(encoder.words(ids), mask.sum(1), True, enforce_sorted=False)
        outputs, lengths = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
        expected = outputs.sum(1) / lengths[:, None]
        torch.testing.assert_close(encoder(ids, mask), expected, atol=1e-6, rtol=1e-5)


def test_padding_changes_nothing(encoder: TextEncoder) -> None:
    with torch.inference_mode():
        together = encoder(*batch(SENTENCES, length=8))
        alone = torch.cat([encoder(*batch([sentence])) for sentence in SENTENCES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_order_of_words_matters(encoder: TextEncoder) -> None:
    with torch.inference_mode():
        one, two = encoder(*batch([[3, 7, 1], [1, 7, 3]]))
    assert (one - two).abs().max() > 1e-3


def test_graph_equals_module(encoder: TextEncoder, tmp_path: Path) -> None:
    """Also for other numbers and lengths of sentences than the one that it was traced with."""
    traced = {name: torch.ones(1, 5, dtype=torch.int64) for name in ("ids", "mask")}
    export_onnx(encoder, traced, ["embedding"], tmp_path / "text.onnx", dynamic=("n", "t"))
    for sentences in (SENTENCES, SENTENCES[:1], SENTENCES[1:2], [[2] * 8] * 3):
        ids, mask = batch(sentences)
        with torch.inference_mode():
            expected = encoder(ids, mask).numpy()
        np.testing.assert_allclose(run(tmp_path / "text.onnx", ids, mask), expected, atol=1e-5)


@pytest.mark.parametrize(("precision", "distance"), [("fp16", 1e-6), ("int8", 1e-3)])
def test_stored_weights_give_nearly_the_same(
    encoder: TextEncoder, tmp_path: Path, precision: str, distance: float
) -> None:
    ids, mask = batch(SENTENCES)
    file = tmp_path / "text.onnx"
    export_onnx(encoder, {"ids": ids, "mask": mask}, ["embedding"], file, dynamic=("n", "t"))
    before, size = run(file, ids, mask), file.stat().st_size
    store_weights(file, precision)
    after = run(file, ids, mask)
    cosines = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert (1 - cosines).max() < distance
    assert file.stat().st_size < size


def run(file: Path, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    vectors: np.ndarray = session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})[0]
    return vectors


def test_chunks_of_like_length_come_back_in_order(encoder: TextEncoder) -> None:
    """In the 16 bits of the training's arithmetic."""
    with torch.inference_mode():
        whole = encoder(*batch(SENTENCES))
        torch.testing.assert_close(in_chunks(encoder, SENTENCES, chunk=3), whole, atol=0.05, rtol=0.05)


def test_layers_are_listed_from_the_words_up(encoder: TextEncoder) -> None:
    depths = encoder.depths()
    assert len(depths) == 3
    assert depths[0][0] is encoder.words.weight
    assert {id(weights) for depth in depths for weights in depth} == {id(weights) for weights in encoder.parameters()}


@pytest.mark.parametrize(("layers", "taken"), [(1, [0]), (2, [0, 5]), (3, [0, 2, 5]), (6, [0, 1, 2, 3, 4, 5])])
def test_a_small_transformer_starts_from_layers_of_minilm(layers: int, taken: list[int]) -> None:
    teacher = load_pretrained()
    student = TransformerEncoder(10, 384, layers, 12, 1536, 64, 0.1)
    words = torch.randn(10, 384)
    student.start_from(teacher, words)
    torch.testing.assert_close(student.words.weight.detach(), words)
    torch.testing.assert_close(student.positions.weight, teacher.positions.weight[:64])
    for layer, place in zip(student.layers, taken, strict=True):
        torch.testing.assert_close(layer.qkv.weight, teacher.layers[place].qkv.weight)


def test_a_recurrent_net_starts_from_words_of_the_usual_length() -> None:
    student = GRUEncoder(10, 384, 1, 0.1)
    words = torch.randn(10, 384) * 0.05
    student.start_from(load_pretrained(), words)
    torch.testing.assert_close(student.words.weight.detach(), words / words.std())


def test_minilm_has_its_six_layers() -> None:
    with pytest.raises(ConfigError, match="MiniLM has 6 layers, not 3: correct text_layers"):
        load_text_part("minilm", 3, None, 0.1)


def test_encoders_that_need_a_distillation_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gru starts from a distillation: give its directory with --text"):
        load_text_part("gru", 1, None, 0.1)
    with pytest.raises(InputError, match=r"config\.json: missing: make it with revln train distil --out"):
        load_text_part("gru", 1, tmp_path, 0.1)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"encoder\.safetensors: missing"):
        load_text_part("gru", 1, tmp_path, 0.1)

"""The written-out towers against their references, and the exported graphs against the modules."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from revln.train import efficientnet, minilm
from revln.train.class_names import ClassFeatures, load_class_names
from revln.train.config import AlignConfig
from revln.train.onnx_files import export_onnx, store_weights
from revln.train.towers import ImageHead, ImageTower, Projection, TextTower

CONFIG = AlignConfig(vision="lite0", image_size=64, dim=24, visual_dim=8, visual_weight=2.0, hidden=32)


def bert_layer(packaged: dict[str, torch.Tensor], number: int, x: torch.Tensor) -> torch.Tensor:
    """One layer of BERT as the paper has it, head by head."""

    def linear(name: str, y: torch.Tensor) -> torch.Tensor:
        prefix = f"encoder.layer.{number}.{name}"
        return y @ packaged[f"{prefix}.weight"].T + packaged[f"{prefix}.bias"]

    def norm(name: str, y: torch.Tensor) -> torch.Tensor:
        prefix = f"encoder.layer.{number}.{name}.LayerNorm"
        centred = y - y.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + 1e-12).rsqrt()
        return centred * scale * packaged[f"{prefix}.weight"] + packaged[f"{prefix}.bias"]

    query, key, value = (linear(f"attention.self.{part}", x) for part in ("query", "key", "value"))
    heads = []
    for head in range(12):
        part = slice(32 * head, 32 * head + 32)
        weights = (query[:, part] @ key[:, part].T / math.sqrt(32)).softmax(-1)
        heads.append(weights @ value[:, part])
    x = norm("attention.output", x + linear("attention.output.dense", torch.cat(heads, -1)))
    hidden = linear("intermediate.dense", x)
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return norm("output", x + linear("output.dense", hidden))


def test_minilm_equals_bert_step_by_step() -> None:
    packaged = load_file(minilm.model_directory() / "model.safetensors")
    ids = torch.tensor([101, 1037, 3899, 3216, 1999, 1996, 4586, 102])
    x = packaged["embeddings.word_embeddings.weight"][ids]
    x = x + packaged["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + packaged["embeddings.token_type_embeddings.weight"][0]
    x = torch.nn.functional.layer_norm(
        x, (384,), packaged["embeddings.LayerNorm.weight"], packaged["embeddings.LayerNorm.bias"], 1e-12
    )
    for layer in range(6):
        x = bert_layer(packaged, layer, x)
    model = minilm.load_pretrained().eval()
    with torch.inference_mode():
        found = model(ids[None], torch.ones_like(ids)[None])[0]
    torch.testing.assert_close(found, x.mean(0), atol=1e-5, rtol=1e-4)


def test_padding_changes_nothing() -> None:
    model = minilm.load_pretrained().eval()
    ids = torch.tensor([[101, 1037, 4937, 102, 0, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0]])
    with torch.inference_mode():
        torch.testing.assert_close(model(ids, mask), model(ids[:, :4], mask[:, :4]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (8, 5, 2), (9, 5, 1), (224, 3, 2)])
def test_same_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    before, after = efficientnet._same_padding(side, kernel, stride)
    assert after - before in (0, 1)
    assert (side + before + after - kernel) // stride + 1 == math.ceil(side / stride)


@pytest.mark.parametrize("variant", list(efficientnet.VARIANTS))
def test_packaged_weights_fit(variant: str) -> None:
    model = efficientnet.load_pretrained(variant)
    with torch.inference_mode():
        features = model(torch.zeros(2, 3, 64, 64))
        assert features.shape == (2, 1280)
        assert model.classify(features).shape == (2, 1000)


def test_the_last_blocks_give_what_the_whole_cnn_gives() -> None:
    trunk = efficientnet.load_pretrained("lite2")
    pixels = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        expected = trunk(pixels)
        for blocks in (0, 1, 6):
            found = efficientnet.Top(trunk, blocks).pooled(trunk.below(pixels, blocks))
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
        rough = efficientnet.Top(trunk, 6)(trunk.below(pixels, 6))
    assert torch.nn.functional.cosine_similarity(rough, expected).min() > 0.999


def test_training_the_last_blocks_changes_nothing_else() -> None:
    trunk = efficientnet.load_pretrained("lite0")
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    top = efficientnet.Top(trunk, 2).train()
    optimizer = torch.optim.SGD(top.parameters(), 0.1)
    with torch.no_grad():
        maps = trunk.below(torch.randn(2, 3, 64, 64), 2)
    top(maps).square().sum().backward()
    optimizer.step()
    changed = {name for name, tensor in trunk.state_dict().items() if not tensor.equal(before[name])}
    trained = {"_blocks.14", "_blocks.15", "_conv_head", "_bn1"}
    assert {name.rsplit(".", 1)[0] for name in changed if "_blocks" not in name} == {"_conv_head", "_bn1"}
    assert all(name.startswith(tuple(trained)) for name in changed)
    assert not any("running" in name for name in changed)
    assert [len(layer) for layer in top.depths()] == [9, 9, 3]


def test_features_that_stay_cost_nothing() -> None:
    torch.manual_seed(0)
    head = ImageHead(CONFIG, efficientnet.load_pretrained("lite0")._fc)
    features = torch.rand(12, 1280)
    head.fit_statistics(features)
    assert head.change(features, features) == pytest.approx(0, abs=1e-6)
    near, far = (head.change(features, features + step) for step in (0.01, 0.1))
    assert 0 < near < far


def test_image_head_keeps_text_order() -> None:
    """The coordinates of images alone change no order among images for a text, and none among texts for an image."""
    torch.manual_seed(0)
    head = ImageHead(CONFIG, torch.nn.Linear(1280, 1000)).eval()
    features = torch.rand(40, 1280) * 6
    head.fit_statistics(features)
    texts = torch.nn.functional.normalize(torch.randn(7, 24), dim=-1)
    with torch.inference_mode():
        whole, logits = head(features)
        joint = head.joint(features, logits)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(40))
    padded = torch.nn.functional.pad(texts, (0, 8))
    torch.testing.assert_close(whole @ padded.T * math.hypot(1, 2.0), joint @ texts.T, atol=1e-5, rtol=1e-4)


def test_projection_starts_linear() -> None:
    torch.manual_seed(0)
    projection = Projection(5, 7, 3, dropout=0.5).eval()
    x = torch.randn(4, 5)
    torch.testing.assert_close(projection(x), projection.linear(x))


def test_image_tower_in_onnx_equals_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trunk = efficientnet.load_pretrained("lite0")
    head = ImageHead(CONFIG, trunk._fc)
    head.fit_statistics(torch.rand(16, 1280))
    torch.nn.init.normal_(head.class_vectors)
    tower = ImageTower(trunk, head).eval()
    pixels = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    export_onnx(tower, {"pixels": pixels[:1]}, ["embedding", "logits"], tmp_path / "vision.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "vision.onnx", providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = tower(pixels)
    for found, wanted in zip(session.run(None, {"pixels": pixels.numpy()}), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("precision", "distance", "share"), [("fp16", 1e-5, 0.55), ("int8", 2e-3, 0.3)])
def test_stored_weights_give_nearly_the_same(tmp_path: Path, precision: str, distance: float, share: float) -> None:
    torch.manual_seed(0)
    tower = TextTower(minilm.load_pretrained(), CONFIG).eval()
    ids, mask = torch.randint(1000, 20000, (3, 9)), torch.ones(3, 9, dtype=torch.int64)
    path = tmp_path / "text.onnx"
    export_onnx(tower, {"ids": ids, "mask": mask}, ["embedding"], path, dynamic=("n", "t"))
    before, size = _run(path, ids, mask), path.stat().st_size
    with torch.inference_mode():
        np.testing.assert_allclose(before, tower(ids, mask).numpy(), atol=1e-4)
    store_weights(path, precision)
    after = _run(path, ids, mask)
    assert path.stat().st_size < share * size
    assert (1 - (before * after).sum(1)).max() < distance


def _run(path: Path, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})[0]


def test_class_features_win_their_class() -> None:
    classifier = efficientnet.load_pretrained("lite0")._fc
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(200, 1280, generator=generator)
    classes = torch.arange(0, 1000, 25)
    drawn = ClassFeatures(real, classifier).draw(classes, generator)
    assert drawn.min() >= 0
    assert drawn.max() <= 6
    right = (classifier(drawn).argmax(1) == classes).float().mean()
    assert right > 0.8


def test_class_names_are_in_the_classifiers_order() -> None:
    names = load_class_names()
    assert len(names) == 1000
    assert names[0] == ("tench", "Tinca tinca")
    assert "daisy" in names[985]

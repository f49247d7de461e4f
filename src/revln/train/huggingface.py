"""A bundle from a CLIP or SigLIP of the Hugging Face library: ``revln train import-hf``.

The towers are traced to ONNX with the normalisation of pixels in front and that of vectors behind; the rest is
``import_bundle``. What comes out is then held against what the original gives, so a tokenizer or an image transform
that revln cannot follow is noticed here and not by bad search results.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import BundleError, InputError, MissingExtraError
from revln.images import open_image
from revln.models import Bundle, BundleEncoder, Card, Model, import_bundle
from revln.models.bundle import TEXT, TOKENIZER, VISION
from revln.models.card import ImageInput
from revln.train.export import shipped_photos
from revln.train.onnx_files import Precision, export_onnx, store_weights

try:
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer, PreTrainedTokenizerFast
except ImportError as problem:
    raise MissingExtraError("transformers", "hf") from problem

__all__ = ["import_huggingface"]

_LARGEST = 2**31 - 1  # bytes of an ONNX file
_ALIKE = (
    0.9  # cosine to the original below which something is wrong; packed weights and the rounding of crops cost less
)
# Short, mixed in case and punctuation, in another script, and longer than any text tower reads.
_PROBES = ("a cat", "A dog, in the SNOW!", "木桌上有一杯咖啡", "two people walk along a beach at sunset and " * 40)


@dataclass(frozen=True, slots=True)
class _Family:
    """How the models of one ``model_type`` are used.

    Attributes:
        languages: that its best known models were trained on.
        masked: whether the text tower is told what is padding; one that is not expects all sentences padded alike.
    """

    languages: tuple[str, ...]
    masked: bool


_FAMILIES = {
    "clip": _Family(("en",), masked=True),
    "chinese_clip": _Family(("zh",), masked=True),
    "siglip": _Family(("en",), masked=False),
}


def import_huggingface(
    source: str,
    out: Path,
    *,
    name: str | None = None,
    vision_precision: Precision = "fp16",
    text_precision: Precision = "int8",
    licence: str = "see the model's card",
    languages: Sequence[str] | None = None,
    photos_and_captions: Sequence[tuple[Path, str]] | None = None,
) -> Card:
    """Makes a bundle of a pretrained model; it appears as a whole or not at all.

    Args:
        source: directory with ``config.json``, the weights, the tokenizer and ``preprocessor_config.json``; or the id
            of a model on the Hugging Face hub.
        out: directory of the bundle, which must not exist.
        name: what the bundle is called; like the source if not given.
        vision_precision: how the image tower's weights are stored.
        text_precision: how the text tower's weights are stored.
        licence: of the weights, for the card.
        languages: ISO 639-1 codes of the languages that the text tower was trained on; by family if not given.
        photos_and_captions: see ``import_bundle``.

    Raises:
        InputError: the source is neither such a directory nor can it be fetched, or its model, its image transform or
            its tokenizer is of a kind that a bundle cannot hold.
        BundleError: ``out`` exists, or the bundle's vectors are not those of the original.
    """
    if out.exists():
        raise BundleError(f"{out}: exists already: choose another directory")
    original = _Original.load(source)
    image = original.image_input()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".import-") as temporary:
        vision, text, tokenizer, bundle = (Path(temporary) / part for part in (VISION, TEXT, TOKENIZER, "bundle"))
        _export_vision(original, image, vision, vision_precision)
        _export_text(original, text, text_precision)
        original.save_tokenizer(tokenizer)
        card = import_bundle(
            vision,
            text,
            tokenizer,
            bundle,
            name=name or original.name,
            max_aspect=image.max_aspect,
            mean=image.mean,
            std=image.std,
            max_tokens=original.max_tokens,
            languages=languages or original.family.languages,
            photos_and_captions=photos_and_captions,
        )
        measured = {**card.numbers["calibration photos"], "command": "revln train import-hf"}
        card = dataclasses.replace(
            card,
            description=f"{original.name}, a {original.model.config.model_type} of the Hugging Face library; its "
            f"probabilities are rough, calibrated with {measured['images']} photos.",
            weights=({"name": original.name, "licence": licence, "source": f"Hugging Face, {original.label}"},),
            numbers={
                "calibration photos": measured,
                "lowest cosine to the original": _agreement(original, bundle),
                "weights stored as": f"vision {vision_precision}, text {text_precision}",
            },
        )
        card.write(bundle)
        bundle.rename(out)
    return card


@dataclass(frozen=True, slots=True)
class _Original:
    """A model as the library loads it.

    Attributes:
        label: where it is from, without the user's folders.
        family: how it is used.
        model: both towers, in 32 bits.
        tokenizer: one that is backed by a ``tokenizer.json``.
        processor: the image transform.
    """

    label: str
    family: _Family
    model: Any
    tokenizer: Any
    processor: Any

    @classmethod
    def load(cls, source: str) -> _Original:
        local = Path(source).is_dir()
        kind = _loaded(AutoConfig, source).model_type
        if kind not in _FAMILIES:
            raise InputError(
                f"{source}: is a {kind or 'model of no known type'}: give one of the types {', '.join(_FAMILIES)}"
            )
        # Only eager attention is written out in operations that can be traced.
        model, info = _loaded(AutoModel, source, attn_implementation="eager", output_loading_info=True)
        if info["missing_keys"]:
            missing = ", ".join(sorted(info["missing_keys"])[:3])
            raise InputError(f"{source}: its weights lack {missing}: give a model with both towers")
        return cls(
            label=Path(source).resolve().name if local else source,
            family=_FAMILIES[kind],
            model=model.float().eval(),
            tokenizer=_fast_tokenizer(source),
            processor=_loaded(AutoImageProcessor, source),
        )

    @property
    def name(self) -> str:
        """The last part of where it is from, fit for the name of a bundle."""
        return re.sub(r"[^\w.+-]+", "-", self.label.rpartition("/")[2]).strip("-+.") or "imported"

    @property
    def max_tokens(self) -> int:
        """Longest sentence; tokenizers without a limit of their own say so by a huge number."""
        longest: int = self.model.config.text_config.max_position_embeddings
        return min(longest, int(self.tokenizer.model_max_length))

    def image_input(self) -> ImageInput:
        """What the processor does to a photo, as a card has it.

        Raises:
            InputError: it is something else than a centre crop or a squashed square of 8-bit pixels.
        """
        has, side = self.processor, self.model.config.vision_config.image_size
        size, crops = dict(has.size), bool(getattr(has, "do_center_crop", False))
        square = dict(has.crop_size) if crops else size
        rescales = has.do_rescale and abs(has.rescale_factor * 255 - 1) < 1e-3
        if (square.get("height"), square.get("width")) != (side, side) or not (has.do_resize and rescales):
            raise InputError(
                f"{self.label}: its image processor (size {size}, crop {square if crops else 'none'}) does not make "
                f"squares of {side} pixels between 0 and 1: correct its preprocessor_config.json"
            )
        mean, std = (has.image_mean, has.image_std) if has.do_normalize else ((0, 0, 0), (1, 1, 1))
        aspect = 1.0 if crops and "shortest_edge" in size else None
        return ImageInput(side, aspect, "nhwc-uint8", _triple(mean), _triple(std))

    def save_tokenizer(self, path: Path) -> None:
        """Writes ``tokenizer.json``, with the padding token, which many such files do not tell."""
        backend = self.tokenizer.backend_tokenizer
        if self.tokenizer.pad_token_id is not None:
            backend.enable_padding(pad_id=self.tokenizer.pad_token_id, pad_token=self.tokenizer.pad_token)
        backend.save(str(path))

    def tokens(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """Ids [n, t], and their mask [n, t] for a text tower that takes one, by the library's own padding."""
        padding = "longest" if self.family.masked else "max_length"
        options = {"padding": padding, "truncation": True, "max_length": self.max_tokens, "return_tensors": "pt"}
        tokens = self.tokenizer(list(sentences), return_attention_mask=True, **options)
        return tokens["input_ids"], tokens["attention_mask"] if self.family.masked else None


class _ImageTower(nn.Module):
    """Pixels [n, side, side, 3], 0 to 255, to unit vectors [n, dim]."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, image: ImageInput) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(image.mean))
        self.register_buffer("std", 255 * torch.tensor(image.std))

    def forward(self, pixels: Tensor) -> Tensor:
        values = ((pixels.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        return _unit(self.model.get_image_features(pixel_values=values))


class _TextTower(nn.Module):
    """Ids [n, t], and their mask [n, t] where the model takes one, to unit vectors [n, dim]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        return _unit(self.model.get_text_features(input_ids=ids, attention_mask=mask))


def _export_vision(original: _Original, image: ImageInput, path: Path, precision: Precision) -> None:
    _check_size(original, original.model.vision_model)
    pixels = torch.zeros(1, image.side, image.side, 3, dtype=torch.uint8)
    export_onnx(_ImageTower(original.model, image).eval(), {"pixels": pixels}, ["embedding"], path)
    store_weights(path, precision)


def _export_text(original: _Original, path: Path, precision: Precision) -> None:
    _check_size(original, original.model.text_model)
    ids, mask = original.tokens(_PROBES[:1])
    inputs = {"ids": ids} if mask is None else {"ids": ids, "mask": mask}
    dynamic = ("n",) if mask is None else ("n", "t")
    export_onnx(_TextTower(original.model).eval(), inputs, ["embedding"], path, dynamic=dynamic)
    store_weights(path, precision)


def _check_size(original: _Original, tower: nn.Module) -> None:
    size = sum(weights.numel() * weights.element_size() for weights in tower.parameters())
    if size > _LARGEST:
        raise InputError(
            f"{original.label}: a tower of {size / 1e9:.1f} GB does not fit into an ONNX file (2 GB): "
            "give a smaller model"
        )


def _agreement(original: _Original, directory: Path) -> dict[str, float]:
    """Lowest cosine between what the bundle and the original give for photos that ship, and for a few sentences.

    Raises:
        BundleError: it is too low for one model.
    """
    bundle = Model(BundleEncoder(Bundle(directory)))
    photos = shipped_photos()
    pixels = original.processor(images=[open_image(photo) for photo in photos], return_tensors="pt")["pixel_values"]
    ids, mask = original.tokens(_PROBES)
    with torch.inference_mode():
        wanted = {
            "images": _unit(original.model.get_image_features(pixel_values=pixels)),
            "texts": _unit(original.model.get_text_features(input_ids=ids, attention_mask=mask)),
        }
    found = {"images": bundle.encode_images(photos), "texts": bundle.encode_texts(_PROBES)}
    lowest = {what: round(float((found[what] * wanted[what].numpy()).sum(1).min()), 4) for what in wanted}
    for what, cosine in lowest.items():
        if not cosine >= _ALIKE:
            raise BundleError(
                f"{original.label}: the bundle's vectors of {what} are not the original's (cosine {cosine}): "
                "store the weights as fp32, or export the towers yourself and use revln model import"
            )
    return lowest


def _unit(features: Any) -> Tensor:
    """Unit vectors of what ``get_image_features`` and ``get_text_features`` give: before version 5 the bare vectors."""
    vectors = features if isinstance(features, Tensor) else features.pooler_output
    return F.normalize(vectors, dim=-1)


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _fast_tokenizer(source: str) -> Any:
    """The tokenizer, backed by the tokenizers library.

    SigLIP's own class is not, and needs a package more; the ``tokenizer.json`` beside it stands in for it.
    """
    try:
        tokenizer = _loaded(AutoTokenizer, source)
    except (ImportError, InputError):
        tokenizer = None
    return tokenizer if tokenizer is not None and tokenizer.is_fast else _loaded(PreTrainedTokenizerFast, source)


def _loaded(kind: Any, source: str, **options: Any) -> Any:
    """What one of the library's classes reads from a source.

    Raises:
        InputError: it cannot.
    """
    local = Path(source).is_dir()
    try:
        return kind.from_pretrained(source, local_files_only=local, **options)
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{source}: cannot be read ({reason}): give a directory with config.json, model.safetensors, "
            "tokenizer.json and preprocessor_config.json"
            if local
            else f"{source}: no directory, and cannot be fetched from the Hugging Face hub ({reason}): fetch it where "
            f"there is a network, with hf download {source} --local-dir DIR, and give that directory"
        ) from error

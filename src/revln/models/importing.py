"""A bundle from a CLIP-like pair of ONNX files that were made elsewhere."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from revln.config import bundle_store
from revln.errors import BundleError
from revln.metrics import retrieval_recall
from revln.models.bundle import BACKGROUND, GOLDEN, TEXT, TOKENIZER, VISION, Bundle
from revln.models.calibration import BackgroundCalibration
from revln.models.card import Card, ImageInput, Layout, TextInput, sha256_of
from revln.models.encoder import BundleEncoder
from revln.models.model import Model
from revln.models.tower import Tower
from revln.models.verification import write_golden
from revln.text import SentenceTokenizer, pad

__all__ = ["CLIP_MEAN", "CLIP_STD", "import_bundle"]

Triple = tuple[float, float, float]

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)

_SAMPLES = Path(__file__).parents[1] / "samples"
_DEFAULT_SIDE = 224
_GOLDEN = 4
_FLOATS = ("tensor(float)", "tensor(float16)")
# What none of the sample photos shows.
_UNRELATED = (
    "an electricity bill on a desk", "an x-ray of a broken wrist", "a screenshot of a spreadsheet",
    "a map of the underground railway", "a page of sheet music", "a shopping list written by hand",
    "a QR code on a parcel", "a circuit board with a microchip", "a dentist treats a patient",
    "a baby sleeps in a cot", "a boy on a skateboard jumps down the stairs", "two football players fight for the ball",
    "a plate of sushi with chopsticks", "a pizza in a cardboard box", "a wedding cake with three tiers",
    "a yellow taxi in a traffic jam", "a crowded underground platform", "a fire engine in front of a burning house",
    "a submarine below the ice", "a school of fish over a coral reef", "an elephant sprays water", "a snake in a box",
    "a chess board in the middle of a game", "a library with old books", "a swimming pool with lanes",
    "a man climbs a frozen waterfall", "a surfer rides a large wave", "a washing machine in a cellar",
    "a bunch of keys on a hook", "a pair of muddy boots", "a construction crane lifts a beam",
    "a woman has her hair cut", "a judge in a court room", "a calculator and a tax form",
)  # fmt: skip


def import_bundle(
    vision: Path,
    text: Path,
    tokenizer: Path,
    out: Path | None = None,
    *,
    name: str,
    version: str = "1",
    image_size: int | None = None,
    max_aspect: float | None = 1.0,
    mean: Triple = CLIP_MEAN,
    std: Triple = CLIP_STD,
    layout: Literal["auto"] | Layout = "auto",
    max_tokens: int = 77,
    pad_id: int | None = None,
    languages: Sequence[str] = ("en",),
    photos_and_captions: Sequence[tuple[Path, str]] | None = None,
) -> Card:
    """Makes a bundle of an image tower, a text tower and a tokenizer; it appears as a whole or not at all.

    What the files tell is taken from them: the layout and size of the pixels, the width of the vectors, the length of
    the sentences where it is fixed, the padding token. A text tower without a mask gets all sentences padded to
    ``max_tokens``, as such towers are trained.

    Args:
        vision: ONNX file that takes pixels [n, 3, side, side] as floats, or [n, side, side, 3] as bytes.
        text: ONNX file that takes token ids [n, t], and a mask [n, t] if it has such an input.
        tokenizer: ``tokenizer.json`` of the Hugging Face tokenizers library.
        out: directory of the bundle, which must not exist; one in the user's bundle store if not given.
        name: what the bundle is called: letters, digits, dots and hyphens.
        version: of the bundle.
        image_size: side of the square in pixels; needed where the file does not tell and it is not 224.
        max_aspect: see ``revln.images.Transform``: 1 for CLIP's centre square, None for SigLIP's squashing.
        mean: of each channel, 0 to 1; SigLIP's are all 0.5.
        std: of each channel, 0 to 1; SigLIP's are all 0.5.
        layout: of the pixels; by the type of the input if ``auto``.
        max_tokens: longer sentences are cut, special tokens included.
        pad_id: token that stands at padding; as ``tokenizer.json`` has it if not given. Many such files do not tell.
        languages: ISO 639-1 codes of the languages that the text tower was trained on.
        photos_and_captions: photos with a caption each (the same photo may come several times) to calibrate with; a
            few hundred make the probabilities better. The few that ship if not given.

    Raises:
        BundleError: a file is missing or not what it should be, the towers do not go together, an option is out of
            range, or ``out`` exists.
        ImageError: one of the photos cannot be read.
    """
    for file in (vision, text, tokenizer):
        if not file.is_file():
            raise BundleError(f"{file}: no such file: check the path")
    if out is not None and out.exists():
        raise BundleError(f"{out}: exists already: choose another directory")
    background = _Background.of(_shipped_captions() if photos_and_captions is None else photos_and_captions)
    image_input = _image_input(vision, image_size, max_aspect, layout, mean, std)
    text_input = _text_input(text, tokenizer, max_tokens, pad_id)
    parent = bundle_store() if out is None else out.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".import-") as temporary:
        directory = Path(temporary) / "bundle"
        directory.mkdir()
        for source, target in ((vision, VISION), (text, TEXT), (tokenizer, TOKENIZER)):
            shutil.copyfile(source, directory / target)
        card = Card(
            name=name,
            version=version,
            description=f"Imported from {vision.name} and {text.name}; its probabilities are rough, "
            f"calibrated with {len(background.photos)} photos.",
            dim=_dim(vision, text, directory, image_input, text_input),
            languages=tuple(languages),
            image=image_input,
            text=text_input,
            files=_hashes(directory, (VISION, TEXT, TOKENIZER)),
            weights=tuple(
                {"name": file.name, "licence": "unknown: see where it is from", "source": "imported by the user"}
                for file in (vision, text)
            ),
        )
        card = _finished(directory, card, background)
        target_directory = parent / card.id if out is None else out
        if out is not None or not target_directory.exists():
            directory.rename(target_directory)
    return card


class _Background(NamedTuple):
    """What calibrates: photos, captions, and the index of the photo that each caption describes."""

    photos: list[Path]
    captions: list[str]
    owners: list[int]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Path, str]]) -> _Background:
        grouped: dict[Path, list[str]] = {}
        for photo, caption in pairs:
            grouped.setdefault(photo, []).append(caption)
        if len(grouped) < 2:
            raise BundleError(f"{len(grouped)} photos to calibrate with: give at least 2, better a few hundred")
        captions, owners = [], []
        for index, own in enumerate(grouped.values()):
            # Texts that agree are learnt from two captions of a photo; its first words stand in for a second one.
            both = own if len(own) > 1 else [*own, _first_half(own[0])]
            captions += both
            owners += [index] * len(both)
        return cls(list(grouped), captions, owners)


def _first_half(caption: str) -> str:
    words = caption.split()
    return " ".join(words[: max(1, (len(words) + 1) // 2)])


def _shipped_captions() -> list[tuple[Path, str]]:
    path = _SAMPLES / "captions.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [(_SAMPLES / row["image"], row["caption"]) for row in csv.DictReader(file)]
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}: install revln again, or give photos and captions") from error


def _image_input(
    vision: Path, size: int | None, max_aspect: float | None, layout: str, mean: Triple, std: Triple
) -> ImageInput:
    """What an image tower takes, by its input's type and shape."""
    wanted = Tower(vision).pixels
    found: Layout = "nchw-float" if wanted.type in _FLOATS else "nhwc-uint8"
    described = f"{vision}: takes {wanted.name} {wanted.shape} of {wanted.type}"
    if wanted.type not in {*_FLOATS, "tensor(uint8)"} or layout not in {"auto", found}:
        raise BundleError(f"{described}: give a file that takes [n, 3, side, side] floats or [n, side, side, 3] bytes")
    channels, sides = (
        (wanted.shape[1], wanted.shape[2:]) if found == "nchw-float" else (wanted.shape[3], wanted.shape[1:3])
    )
    if isinstance(channels, int) and channels != 3:
        raise BundleError(f"{described}: give a file that takes [n, 3, side, side] floats or [n, side, side, 3] bytes")
    fixed = {side for side in sides if isinstance(side, int)}
    if size is not None:
        fixed.add(size)
    if len(fixed) > 1:
        raise BundleError(f"{described}, not squares of {size or 'one size'}: leave the size out, or give another file")
    return ImageInput(fixed.pop() if fixed else _DEFAULT_SIDE, max_aspect, found, mean, std)


def _text_input(text: Path, tokenizer: Path, max_tokens: int, pad_id: int | None) -> TextInput:
    """What a text tower takes, by the shape of its input and the padding of its tokenizer."""
    tower = Tower(text)
    length = tower.ids.shape[1]
    fixed = length if isinstance(length, int) else None
    limit = max_tokens if fixed is None else fixed
    if limit < 1:
        raise BundleError(f"max_tokens is {max_tokens}: give at least 1")
    told = SentenceTokenizer(tokenizer, limit).pad_id
    padded = fixed is not None or not tower.masked
    return TextInput(limit, pad_to_max=padded, pad_id=told if pad_id is None else pad_id)


def _dim(vision: Path, text: Path, directory: Path, image_input: ImageInput, text_input: TextInput) -> int:
    """Width of the space that both towers share, found by running the copies of their files in the bundle."""
    side = image_input.side
    shape = (2, side, side, 3) if image_input.layout == "nhwc-uint8" else (2, 3, side, side)
    image_tower, text_tower = _open_copy(vision, directory / VISION), _open_copy(text, directory / TEXT)
    image_width = _width(vision, image_tower.see(np.zeros(shape, dtype=np.uint8))[image_tower.embedding])
    text_width = _width(text, _longest(text, text_tower, text_input)[text_tower.embedding])
    if image_width != text_width:
        raise BundleError(
            f"{vision} gives vectors of width {image_width}, {text} of {text_width}: give both towers of one model"
        )
    return image_width


def _longest(file: Path, tower: Tower, text_input: TextInput) -> list[npt.NDArray[Any]]:
    """What a text tower gives for two sentences of the full length, which not every tower has positions for."""
    try:
        return tower.read(*pad([[0], [0]], length=text_input.max_tokens))
    except BundleError as error:
        reason = str(error).partition(": ")[2]
        raise BundleError(
            f"{file}: fails on sentences of {text_input.max_tokens} tokens ({reason}): give the length that it was "
            "trained with as max_tokens, such as 77 for CLIP and 64 for SigLIP"
        ) from error


def _width(file: Path, rows: npt.NDArray[Any]) -> int:
    """Width of the two vectors that a tower gave."""
    if rows.ndim != 2 or len(rows) != 2:
        raise BundleError(f"{file}: gives {list(rows.shape)} for two inputs: export it with its projection")
    return int(rows.shape[1])


def _open_copy(original: Path, copy: Path) -> Tower:
    try:
        return Tower(copy)
    except BundleError as error:  # the original has been opened before
        raise BundleError(f"{original}: keeps its weights in another file: save it as one ONNX file") from error


def _finished(directory: Path, card: Card, background: _Background) -> Card:
    """Has the bundle calibrate and measure itself, and record golden outputs; writes and gives the final card."""
    card.write(directory)
    model = Model(BundleEncoder(Bundle(directory)))
    images, texts = model.encode_images(background.photos), model.encode_texts(background.captions)
    owners = np.array(background.owners)
    calibration = BackgroundCalibration.fit(images, texts, owners, model.encode_texts(_UNRELATED))
    calibration.save(directory)
    write_golden(model.encoder, background.photos[:_GOLDEN], background.captions[:_GOLDEN], directory)
    recall = retrieval_recall(images, texts, owners)
    measured = {**recall, "images": len(background.photos), "command": "revln model import"}
    final = dataclasses.replace(
        card,
        files=_hashes(directory, (VISION, TEXT, TOKENIZER, BACKGROUND, GOLDEN)),
        numbers={"calibration photos": measured},
        calibration=calibration.to_dict(),
    )
    final.write(directory)
    return final


def _hashes(directory: Path, names: Sequence[str]) -> dict[str, str]:
    return {file: sha256_of(directory / file) for file in names}

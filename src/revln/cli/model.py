"""``revln model``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import check_processor
from revln.cli.options import CaptionsPath
from revln.cli.output import note, plain, say, short_path

if TYPE_CHECKING:
    from revln.models import Bundle, Card

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, inspect, check and import models.")

Triple = tuple[float, float, float]


class Normalisation(StrEnum):
    """Names for mean and deviation of an image tower's pixels."""

    CLIP = "clip"
    IMAGENET = "imagenet"
    HALF = "half"


_PIXELS: dict[Normalisation, tuple[Triple, Triple]] = {
    Normalisation.CLIP: ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    Normalisation.IMAGENET: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Normalisation.HALF: ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, id or directory of a model.")]


@command("list", "revln model list", "revln model list --json")
def list_models() -> Reply:
    """List the models at hand: those that ship, and those in your data folder."""
    from revln.models import list_bundles

    bundles = list_bundles()
    models = [{"directory": str(bundle.directory), **bundle.card.to_dict()} for bundle in bundles]
    return Reply({"models": models}, lambda: _show_list(bundles))


@command("info", "revln model info", "revln model info my-model --json")
def info(name: Name = "base") -> Reply:
    """Show a model's card: what it is made of, its licences, and what was measured."""
    from revln.models import open_bundle

    bundle = open_bundle(name)
    data = {"directory": str(bundle.directory), **bundle.card.to_dict()}
    return Reply(data, lambda: _show_card(bundle.directory, bundle.card))


@command("verify", "revln model verify", "revln model verify my-model --json")
def verify(name: Name = "base") -> Reply:
    """Check that a model's files are undamaged and give the recorded vectors on this machine."""
    check_processor()
    from revln.models import load_model

    model = load_model(name)
    problems = model.verify()
    data = {"id": model.id, "ok": not problems, "problems": problems}
    return Reply(data, lambda: _show_problems(model.id, problems), exit_code=1 if problems else 0)


@command(
    "import",
    "revln model import --image vision.onnx --text text.onnx --tokenizer tokenizer.json --name my-clip",
    "revln model import --image v.onnx --text t.onnx --tokenizer t.json --name siglip --squash --normalise half "
    "--max-tokens 64 --pad-id 1",
)
def import_model(
    image: Annotated[Path, typer.Option("--image", metavar="FILE", help="The image tower, ONNX.")],
    text: Annotated[Path, typer.Option("--text", metavar="FILE", help="The text tower, ONNX.")],
    tokenizer: Annotated[Path, typer.Option("--tokenizer", metavar="FILE", help="Its tokenizer.json.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it.")],
    version: Annotated[str, typer.Option("--version", metavar="VERSION", help="Its version.")] = "1",
    normalisation: Annotated[
        Normalisation, typer.Option("--normalise", help="Mean and deviation of its pixels; half is SigLIP's.")
    ] = Normalisation.CLIP,
    size: Annotated[
        int | None, typer.Option("--size", metavar="PIXELS", help="Side of the image; from the ONNX file if not given.")
    ] = None,
    squash: Annotated[
        bool, typer.Option("--squash", help="Squeeze photos into the square, as SigLIP does, instead of cropping.")
    ] = False,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", help="Longest sentence: 77 for CLIP, 64 for SigLIP.")
    ] = 77,
    pad_id: Annotated[
        int | None,
        typer.Option("--pad-id", metavar="N", help="Token at padding, 1 for SigLIP; from tokenizer.json if not given."),
    ] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--language", metavar="CODE", help="Such as en, the default; repeatable.")
    ] = None,
    captions: CaptionsPath = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", metavar="DIR", help="Folder of the photos that the captions are about.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to put it; your data folder if not given.")
    ] = None,
) -> Reply:
    """Make a model of your own CLIP or SigLIP: two ONNX files and a tokenizer.

    Its probabilities are calibrated with the few photos that ship, or better with captioned photos of your own.
    """
    check_processor()
    from revln.models import import_bundle, open_bundle

    mean, std = _PIXELS[normalisation]
    card = import_bundle(
        image,
        text,
        tokenizer,
        out,
        name=name,
        version=version,
        image_size=size,
        max_aspect=None if squash else 1.0,
        mean=mean,
        std=std,
        max_tokens=max_tokens,
        pad_id=pad_id,
        languages=tuple(languages or ("en",)),
        photos_and_captions=_captioned(photos, captions),
    )
    bundle = open_bundle(out if out is not None else card.id)
    data = {"directory": str(bundle.directory), **card.to_dict()}
    use = f"revln index FOLDER --model {card.id if out is None else out} --memory DIR"
    return Reply(data, lambda: say(f"imported as {card.id}; use it with: {use}"))


def _captioned(photos: Path | None, captions: Path | None) -> list[tuple[Path, str]] | None:
    """Photos to calibrate with, one entry a caption."""
    if photos is None and captions is None:
        return None
    from revln.errors import InputError
    from revln.sources import read_captions

    if photos is None or captions is None:
        raise InputError("--photos and --captions go together: give both, or neither")
    return [(photos / image, text) for image, texts in read_captions(captions).items() for text in texts]


def _show_list(bundles: Sequence[Bundle]) -> None:
    if not bundles:
        say("No models at hand: install revln again, or import one.")
        return
    from revln.cli.tables import show_rows

    rows = [
        [bundle.card.name, bundle.card.version, str(bundle.card.dim), ", ".join(bundle.card.languages),
         f"{_megabytes(bundle.directory):.1f}", short_path(str(bundle.directory))]
        for bundle in bundles
    ]  # fmt: skip
    sides = ("left", "left", "right", "left", "right", "left")
    headings = ("name", "version", "dim", "languages", "MB", "directory")
    show_rows(dict(zip(headings, sides, strict=True)), rows)


def _show_card(directory: Path, card: Card) -> None:
    from revln.cli.tables import facts_table

    facts: dict[str, object] = {
        "name": f"{card.name} {card.version}",
        "id": card.id,
        "about": card.description,
        "dim": card.dim,
        "input": f"{card.image.side} x {card.image.side} pixels, {card.text.max_tokens} tokens",
        "languages": ", ".join(card.languages),
        "size": f"{_megabytes(directory):.1f} MB",
        "directory": short_path(str(directory)),
    }
    for part in card.weights:
        facts |= {f"weights: {part.get('name', '')}": f"{part.get('licence', '')}, {part.get('source', '')}"}
    for data in card.data:
        facts |= {f"data: {data.get('name', '')}": "; ".join(value for key, value in data.items() if key != "name")}
    for name, value in card.numbers.items():
        facts |= {f"measured: {name}": _number(value)}
    facts_table(facts)


def _number(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_number(inner)}" for name, inner in value.items())
    return str(value)


def _show_problems(name: str, problems: Sequence[str]) -> None:
    if not problems:
        say(f"{name}: all files are undamaged and give the recorded vectors")
    for problem in problems:
        note(f"error: {plain(problem)}")


def _megabytes(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file()) / 1e6


for _command in (list_models, info, verify, import_model):
    _command.add_to(app)

"""The command group ``revln train``; found through an entry point, so that nothing of inference imports it."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Train the parts and export bundles (extra: train).")

DataOption = Annotated[
    Path,
    typer.Option("--data", help="Folder with images/, captions.txt, train.txt and dev.txt (the layout of Flickr8k)."),
]
OutOption = Annotated[Path, typer.Option("--out", help="Directory of the run.")]
DictionaryOption = Annotated[
    Path | None, typer.Option("--dictionary", help="WordNet's database files, such as /usr/share/wordnet.")
]
QuestionFiles = Annotated[
    list[Path] | None,
    typer.Option("--questions", help="Questions of `revln data questions` about the photos; repeatable."),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")]
SmokeOption = Annotated[bool, typer.Option("--smoke", help="A run of seconds over a few photos or texts.")]
VisionPrecision = Annotated[
    str, typer.Option("--vision", help="Storage of the image tower's weights: fp32, fp16 or int8.")
]
TextPrecision = Annotated[str, typer.Option("--text", help="Storage of the text tower's weights: fp32, fp16 or int8.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.command(
    epilog="Example: revln train distil --config configs/distil-bilingual.toml --data flickr8k --out runs/distil"
)
def distil(
    config: Annotated[Path, typer.Option(help="TOML file; its keys are those of DistilConfig.")],
    data: Annotated[Path, typer.Option("--data", help="Folder with parallel.en-zh.txt, and captions.zh.txt if any.")],
    out: OutOption,
    dictionary: DictionaryOption = None,
    resume: ResumeOption = False,
    smoke: SmokeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a small text encoder, for English and Chinese, what MiniLM knows."""
    from revln.train.config import DistilConfig, load_config
    from revln.train.distil import DistilData
    from revln.train.distil import distil as run_distil

    _log_to_stderr()
    bound = load_config(config, DistilConfig)
    result = run_distil(bound, DistilData.in_folder(data, dictionary), out, resume=resume, smoke=smoke)
    _report({"out": str(out), **result.to_dict()}, as_json)


@app.command(
    epilog="Example: revln train vision --config configs/vision-flowers.toml --data flowers --out runs/flowers"
)
def vision(
    config: Annotated[Path, typer.Option(help="TOML file; its keys are those of VisionConfig.")],
    data: Annotated[Path, typer.Option("--data", help="Folder with one sub-folder of photos a label.")],
    out: OutOption,
    resume: ResumeOption = False,
    smoke: SmokeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the CNN to tell the labels of photos, from its ImageNet weights or from scratch."""
    from revln.train.config import VisionConfig, load_config
    from revln.train.vision import classify

    _log_to_stderr()
    result = classify(load_config(config, VisionConfig), data, out, resume=resume, smoke=smoke)
    _report({"out": str(out), **result.to_dict()}, as_json)


@app.command(
    epilog="Examples: revln train align --data my.csv --from base --out runs/mine; "
    "revln train align --config configs/align-english.toml --data flickr8k --out runs/base"
)
def align(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Caption file of your own photos (with --from), or a folder with images/, captions.txt, train.txt "
            "and dev.txt (the layout of Flickr8k).",
        ),
    ],
    out: OutOption,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Go on from this model, and make a bundle in OUT/bundle."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file; its keys are those of AlignConfig. With --from, those that are to be different."),
    ] = None,
    resume: ResumeOption = False,
    smoke: SmokeOption = False,
    text: Annotated[
        Path | None, typer.Option(help="Run of `revln train distil`, for the text encoders that start from one.")
    ] = None,
    vision: Annotated[
        Path | None, typer.Option(help="Run of `revln train vision`, whose CNN takes the place of the packaged one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the joint space of images and texts on a caption file."""
    from revln.train.align import align as run_align
    from revln.train.config import AlignConfig, load_config
    from revln.train.pairs import AlignData
    from revln.train.starting import Start

    _log_to_stderr()
    if start is not None:
        if text is not None:
            raise typer.BadParameter("the model has a text encoder: leave --text or --from out", param_hint="--text")
        if vision is not None:
            raise typer.BadParameter("the model has a CNN: leave --vision or --from out", param_hint="--vision")
        _report(_go_on(start, data, out, config, resume=resume, smoke=smoke), as_json)
        return
    if config is None:
        raise typer.BadParameter("give --config, or --from MODEL to go on from a model", param_hint="--config")
    bound = load_config(config, AlignConfig)
    begun = Start.packaged(bound, text, vision)
    result = run_align(bound, AlignData.in_folder(data), out, start=begun, resume=resume, smoke=smoke)
    _report({"out": str(out), **result.to_dict()}, as_json)


@app.command(epilog="Example: revln train lm --config configs/lm-small.toml --data flickr8k --out runs/lm")
def lm(
    config: Annotated[Path, typer.Option(help="TOML file; its keys are those of LanguageConfig.")],
    data: DataOption,
    out: OutOption,
    dictionary: DictionaryOption = None,
    text_file: Annotated[
        list[Path] | None, typer.Option(help="Further text in UTF-8, a sentence a line; repeatable.")
    ] = None,
    resume: ResumeOption = False,
    smoke: SmokeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pretrain a language model on captions and other text by predicting the next token."""
    from revln.train.config import LanguageConfig, load_config
    from revln.train.language import LanguageData
    from revln.train.language import lm as run_lm

    _log_to_stderr()
    bound = load_config(config, LanguageConfig)
    texts = LanguageData.in_folder(data, dictionary, text_file or ())
    result = run_lm(bound, texts, out, resume=resume, smoke=smoke)
    _report({"out": str(out), **result.to_dict()}, as_json)


@app.command(
    epilog="Example: revln train joint --config configs/joint.toml --data flickr8k --from base --lm runs/lm "
    "--out runs/joint"
)
def joint(
    config: Annotated[Path, typer.Option(help="TOML file; its keys are those of JointConfig.")],
    data: DataOption,
    out: OutOption,
    language_model: Annotated[
        Path | None, typer.Option("--lm", help="Run of `revln train lm` that the generator begins as.")
    ] = None,
    start: Annotated[str, typer.Option("--from", metavar="MODEL", help="The bundle whose towers it uses.")] = "base",
    generator: Annotated[
        str | None,
        typer.Option(
            help="In place of --lm: the generator that it goes on with, of a bundle such as base, or of a run of "
            "`revln train joint`."
        ),
    ] = None,
    question_file: QuestionFiles = None,
    resume: ResumeOption = False,
    smoke: SmokeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a generator that captions a photo from its pixels and from what the memory recalls."""
    import dataclasses

    from revln.models.registry import open_bundle
    from revln.sources import read_questions
    from revln.train.config import JointConfig, load_config
    from revln.train.generator_start import WEIGHTS_FILE, GeneratorStart
    from revln.train.joint import joint as run_joint
    from revln.train.pairs import AlignData
    from revln.train.starting import Start

    _log_to_stderr()
    bundle = open_bundle(start)
    bound = dataclasses.replace(load_config(config, JointConfig), start=bundle.card.id)
    if bool(bound.question_weight) != bool(question_file):
        raise typer.BadParameter(
            "give a file if question_weight is not 0 in the configuration, and only then", param_hint="--questions"
        )
    made_with, begins = Start.of_bundle(bundle)
    if generator is None and language_model is not None:
        begun = GeneratorStart.of_language_model(language_model, bound)
    elif generator is None or language_model is not None:
        raise typer.BadParameter("give either --lm or --generator", param_hint="--lm")
    elif (Path(generator) / WEIGHTS_FILE).exists():
        begun = GeneratorStart.of_run(Path(generator), bound)
    else:
        begun = GeneratorStart.of_bundle(open_bundle(generator), bound)
    result = run_joint(
        bound,
        made_with,
        AlignData.in_folder(data),
        out,
        start=begins,
        begun=begun,
        questions=[question for file in question_file or () for question in read_questions(file)],
        resume=resume,
        smoke=smoke,
    )
    _report({"out": str(out), **result.to_dict()}, as_json)


@app.command(epilog="Example: revln train export --run runs/base --data flickr8k --unrelated other.txt --out my-model")
def export(
    run: Annotated[Path, typer.Option(help="Directory of the run.")],
    data: DataOption,
    unrelated: Annotated[
        Path, typer.Option(help="Sentences that fit none of the dev photos, one a line; every other one is used.")
    ],
    out: Annotated[Path, typer.Option(help="Directory of the bundle; replaced when it exists.")],
    vision: VisionPrecision = "fp16",
    text: TextPrecision = "int8",
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="The model that the run went on from, if it did.")
    ] = None,
    generator: Annotated[
        str, typer.Option(help="Storage of the generator's weights, if the run trained one: fp32, fp16 or int8.")
    ] = "int8",
    question_file: QuestionFiles = None,
    as_json: JsonOption = False,
) -> None:
    """Export a run of align or joint as a bundle that inference uses without torch."""
    from revln.models.registry import open_bundle
    from revln.sources import read_questions
    from revln.train.export import export as run_export
    from revln.train.export import shipped_photos
    from revln.train.generator_start import SIZE_FILE
    from revln.train.joint_export import export_joint
    from revln.train.onnx_files import parse_precision
    from revln.train.pairs import AlignData
    from revln.train.starting import Start

    _log_to_stderr()
    sentences = [line for line in unrelated.read_text(encoding="utf-8").splitlines() if line.strip()][1::2]
    folder, golden = AlignData.in_folder(data), shipped_photos()
    stored = {"vision_precision": parse_precision(vision), "text_precision": parse_precision(text)}
    if (run / SIZE_FILE).exists():
        stored["generator_precision"] = parse_precision(generator)
        asked = [question for file in question_file or () for question in read_questions(file)]
        card = export_joint(
            run, open_bundle(start or "base"), folder, sentences, golden, out, questions=asked, **stored
        )
    else:
        begun = None if start is None else Start.of_bundle(open_bundle(start))[1]
        card = run_export(run, folder, sentences, golden, out, start=begun, **stored)
    _report({"out": str(out), "id": card.id, "metrics": dict(card.numbers)}, as_json)


@app.command("import-hf", epilog="Example: revln train import-hf openai/clip-vit-base-patch32 --out my-clip")
def import_hf(
    source: Annotated[
        str,
        typer.Argument(metavar="DIR_OR_ID", help="Directory of a CLIP or SigLIP, or its id on the Hugging Face hub."),
    ],
    out: Annotated[Path, typer.Option(help="Directory of the bundle, which must not exist.")],
    name: Annotated[str | None, typer.Option(help="What to call it; like its source if not given.")] = None,
    vision: VisionPrecision = "fp16",
    text: TextPrecision = "int8",
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the card.")] = "see the model's card",
    language: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Such as en or zh, that it was trained on; repeatable.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with images/, captions.txt and dev.txt to calibrate with; else with a few samples."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a bundle of a CLIP or SigLIP of the Hugging Face library (extra: hf)."""
    from revln.sources import read_captions, read_split
    from revln.train.huggingface import import_huggingface
    from revln.train.onnx_files import parse_precision
    from revln.train.pairs import AlignData

    _log_to_stderr()
    pairs = None
    if data is not None:
        folder = AlignData.in_folder(data)
        captions = read_captions(folder.captions["en"])
        pairs = [
            (folder.images / photo, caption) for photo in read_split(folder.dev) for caption in captions.get(photo, ())
        ]
    card = import_huggingface(
        source,
        out,
        name=name,
        vision_precision=parse_precision(vision),
        text_precision=parse_precision(text),
        licence=licence,
        languages=language,
        photos_and_captions=pairs,
    )
    _report({"out": str(out), "id": card.id, "metrics": dict(card.numbers)}, as_json)


def _go_on(start: str, data: Path, out: Path, config: Path | None, *, resume: bool, smoke: bool) -> dict[str, Any]:
    """Trains a model further on one's own photos, and makes a bundle of it."""
    from revln.models.registry import open_bundle
    from revln.sources import read_split
    from revln.train.align import align as run_align
    from revln.train.export import export_further
    from revln.train.own_photos import fitting_config, own_data, with_changes
    from revln.train.pairs import AlignData
    from revln.train.starting import Start

    bundle = open_bundle(start)
    made_with, begun = Start.of_bundle(bundle)
    own = AlignData.in_folder(data) if data.is_dir() else own_data(data, out)
    photos = len(read_split(own.train))
    bound = fitting_config(made_with, photos, out, bundle.card.id)
    if config is not None:
        bound = with_changes(bound, config)
    log = logging.getLogger("revln.train")
    log.info("%d photos to train on, %d held out", photos, len(read_split(own.dev)))
    result = run_align(bound, own, out, start=begun, resume=resume, smoke=smoke)
    card = export_further(out, begun, out / "bundle")
    if not smoke:
        log.info("to use it: revln memory migrate --model %s", out / "bundle")
    return {"out": str(out), "bundle": str(out / "bundle"), "id": card.id, **result.to_dict()}


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")


def _report(result: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(result, indent=None if as_json else 2))

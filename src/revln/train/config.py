"""Typed training configurations, bound to their TOML file before any work starts."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from revln.errors import ConfigError

__all__ = [
    "AlignConfig",
    "Count",
    "DistilConfig",
    "JointConfig",
    "LanguageConfig",
    "Range",
    "Share",
    "StageConfig",
    "VisionConfig",
    "Weight",
    "load_config",
]


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, noted in its type: ``Annotated[int, Range(1)]``.

    Attributes:
        least: the smallest value.
        below: what it must stay below; infinity thereby refuses infinity, None allows it.
    """

    least: float
    below: float | None = float("inf")

    def complaint(self, value: float) -> str | None:
        """What is wrong with a value."""
        if self.least <= value and (self.below is None or value < self.below):
            return None
        return f"must be at least {self.least}" + ("" if self.below is None else f" and below {self.below}")


Count = Annotated[int, Range(1)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0)]


@dataclass(frozen=True, slots=True)
class StageConfig:
    """What every stage of training is told.

    A stage extends it. Fields are ``bool``, ``int``, ``float`` or ``str``, a ``Literal`` of strings for a fixed set of
    choices, or a number with its ``Range``; they are checked by these types whenever a configuration is made.

    Attributes:
        name: name of what is made.
        version: version of what is made.
        epochs: passes over the training data.
        batch_size: examples a step.
        weight_decay: AdamW's.
        warmup: share of the steps over which the rates rise.
        ema: decay of the averaged weights that are evaluated and exported.
        clip: longest gradient, as the norm over all weights; 0 for no limit.
        seed: of everything random.
    """

    name: str = "base"
    version: str = "1"
    epochs: Count = 10
    batch_size: Count = 128
    weight_decay: Weight = 0.05
    warmup: Share = 0.05
    ema: Share = 0.99
    clip: Weight = 0.0
    seed: Annotated[int, Range(0)] = 0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            if complaint := _complaint(getattr(self, name), hint):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: {complaint}")

    def smoke(self) -> Self:
        """The same run cut down to seconds, to see that everything fits together."""
        return dataclasses.replace(self, epochs=min(self.epochs, 2), batch_size=min(self.batch_size, 16), ema=0.5)


@dataclass(frozen=True, slots=True)
class DistilConfig(StageConfig):
    """Teaching a small bilingual text encoder what MiniLM knows.

    An epoch takes each pair of translations once, both sides, and some texts of the dictionary.

    Attributes:
        encoder: a Transformer that starts from some of MiniLM's layers, or a recurrent network.
        layers: of the encoder.
        dropout: of the encoder.
        rate: peak learning rate.
        dictionary: texts of the dictionary an epoch.
        chinese_pieces: about how many pieces Chinese is cut into; single characters are counted besides.
        max_tokens: longer texts are cut.
    """

    encoder: Literal["transformer", "gru"] = "transformer"
    layers: Count = 3
    dropout: Share = 0.1
    rate: Weight = 3e-4
    dictionary: Annotated[int, Range(0)] = 85_000
    chinese_pieces: Count = 5000
    epochs: Count = 4
    batch_size: Count = 512
    weight_decay: Weight = 0.01
    clip: Weight = 1.0
    max_tokens: Annotated[int, Range(1, 65)] = 48


@dataclass(frozen=True, slots=True)
class LanguageConfig(StageConfig):
    """Pretraining of the language model: predicting the next token.

    An epoch takes each caption once, and some texts of the dictionary.

    Attributes:
        start: what to begin with: ``small`` for a model of the size below with random weights and a tokenizer of its
            own, ``smollm2`` for SmolLM2-135M with its tokenizer, whose size replaces what stands below.
        pieces: size of the tokenizer, besides bytes and special tokens.
        width: of the model.
        layers: of the model.
        heads: of attention.
        key_heads: of its keys and values; a divisor of ``heads``.
        hidden: width of the nets within the layers.
        dropout: of the model.
        rate: peak learning rate.
        dictionary: texts of the dictionary an epoch.
        max_tokens: longer texts are cut.
    """

    start: Literal["small", "smollm2"] = "small"
    pieces: Annotated[int, Range(300, 100_000)] = 8000
    width: Count = 256
    layers: Count = 4
    heads: Count = 8
    key_heads: Count = 8
    hidden: Count = 704
    dropout: Share = 0.1
    rate: Weight = 1e-3
    dictionary: Annotated[int, Range(0)] = 60_000
    epochs: Count = 6
    batch_size: Count = 256
    weight_decay: Weight = 0.05
    clip: Weight = 1.0
    max_tokens: Annotated[int, Range(2, 257)] = 40

    def __post_init__(self) -> None:
        StageConfig.__post_init__(self)
        if self.width % (2 * self.heads):
            raise ConfigError(f"heads = {self.heads}: width = {self.width} is not an even number for each of them")
        if self.heads % self.key_heads:
            raise ConfigError(f"key_heads = {self.key_heads}: heads = {self.heads} is not a multiple of it")


@dataclass(frozen=True, slots=True)
class AlignConfig(StageConfig):
    """Contrastive training of the joint space of images and texts.

    An epoch takes each photo ``passes`` times, with some of its captions.

    Attributes:
        vision: variant of EfficientNet-Lite.
        image_size: side of the CNN's input, pixels.
        max_aspect: images are cropped to at most this aspect ratio and squashed for the rest; 1 is a centre crop.
        vision_blocks: blocks of the CNN that are trained, counted from its end; 0 freezes it.
        dim: width of the space that images and texts share.
        visual_dim: width of the part that images alone use, see ``revln.train.towers.ImageHead``; 0 for none.
        visual_weight: length of that part relative to the shared one.
        hidden: hidden width of the projection heads.
        dropout: of the image head's input and hidden layer.
        text: the text encoder: MiniLM, or what ``revln train distil`` has made.
        text_layers: of that encoder; MiniLM has six.
        text_dropout: of the text encoder.
        languages: of the captions; the first is the one that every photo has captions in.
        captions: captions of a photo and language in a batch; all are positives.
        translation_weight: weight of the loss between captions of a photo in two languages.
        loss: over a batch; see ``revln.train.losses``.
        hardness: concentration of InfoNCE on hard negatives.
        views: augmented versions of each training photo whose features are cached; the first is the photo itself.
        head_rate: peak learning rate of the heads.
        text_rate: peak learning rate of the text encoder; 0 freezes it.
        vision_rate: peak learning rate of the CNN's blocks.
        layer_decay: factor by which each earlier layer of the text encoder, or block of the CNN, learns slower.
        feature_weight: weight of the loss that keeps the CNN's features and classes as they are.
        prototypes: classifier prototypes a step, each with one of its class's names; 0 for none.
        prototype_weight: weight of their loss.
        words: words of the vocabulary a step that are kept where the text encoder had them; 0 for none.
        word_weight: weight of their loss.
        keep_weight: weight of the loss that keeps what the towers say of classes and words as it was at the start, for
            training that goes on from a bundle.
        start_share: of the weights at the start in those that are measured and saved.
        max_tokens: longer sentences are cut.
        passes: over the photos in an epoch, for few of them.
        start: id of the bundle that training goes on from; ``revln train align --from`` sets it.
        cnn: SHA-256 of the weights of the CNN; ``revln train align --vision`` sets it.
    """

    vision: Literal["lite0", "lite1", "lite2"] = "lite2"
    image_size: Count = 240
    max_aspect: Annotated[float, Range(1, None)] = 1.0
    vision_blocks: Annotated[int, Range(0, 16)] = 0
    dim: Count = 384
    visual_dim: Annotated[int, Range(0)] = 640
    visual_weight: Weight = 3.5
    hidden: Count = 1024
    dropout: Share = 0.3
    text: Literal["minilm", "transformer", "gru"] = "minilm"
    text_layers: Count = 6
    text_dropout: Share = 0.1
    languages: Literal["en", "en zh"] = "en"
    captions: Count = 1
    translation_weight: Weight = 0.0
    loss: Literal["infonce", "siglip"] = "infonce"
    hardness: Weight = 0.0
    views: Count = 6
    epochs: Count = 40
    batch_size: Count = 512
    head_rate: Weight = 1e-3
    text_rate: Weight = 5e-5
    vision_rate: Weight = 1e-4
    layer_decay: Annotated[float, Range(0)] = 1.0
    feature_weight: Weight = 1.0
    prototypes: Annotated[int, Range(0)] = 256
    prototype_weight: Weight = 0.3
    words: Annotated[int, Range(0)] = 0
    word_weight: Weight = 1.0
    keep_weight: Weight = 0.0
    start_share: Share = 0.0
    max_tokens: Annotated[int, Range(1, 65)] = 64
    passes: Count = 1
    start: str = ""
    cnn: str = ""

    def smoke(self) -> Self:
        """The same run cut down to seconds, over one view of each photo and a few classes."""
        # Not super(): the class that ``slots`` makes is another than the one that is written here.
        return dataclasses.replace(
            StageConfig.smoke(self), views=1, passes=1, prototypes=min(self.prototypes, 16), words=min(self.words, 16)
        )


@dataclass(frozen=True, slots=True)
class VisionConfig(StageConfig):
    """Supervised training of the CNN on photos with labels.

    Attributes:
        variant: of EfficientNet-Lite.
        pretrained: whether the CNN starts with its ImageNet weights; without, all of it is trained.
        image_size: side of the CNN's input, pixels.
        blocks: blocks of the CNN that are trained, counted from its end; 0 trains the classifier alone, as many as
            there are (16 of lite0, 21 of the others) or more the whole CNN.
        views: augmented versions of each photo for which what frozen blocks give is cached; the first is the photo
            itself. Where the whole CNN is trained, each step makes its own.
        held_out: share of the photos of each label that is measured on and not trained on.
        head_rate: peak learning rate of the classifier.
        vision_rate: peak learning rate of the CNN's last layer.
        layer_decay: factor by which each earlier block learns slower.
        mixup: alpha of mixup's Beta distribution; 0 mixes nothing. See ``revln.train.augmentation.mixed``.
        smoothing: probability that targets spread evenly over all labels.
        dropout: of the features that the classifier takes.
    """

    variant: Literal["lite0", "lite1", "lite2"] = "lite0"
    pretrained: bool = True
    image_size: Count = 224
    blocks: Annotated[int, Range(0, 22)] = 8
    views: Count = 6
    held_out: Share = 0.2
    epochs: Count = 12
    batch_size: Annotated[int, Range(2)] = 64  # statistics of one example are none
    head_rate: Weight = 2e-3
    vision_rate: Weight = 3e-4
    layer_decay: Weight = 0.8
    mixup: Weight = 0.2
    smoothing: Share = 0.1
    dropout: Share = 0.2

    def smoke(self) -> Self:
        """The same run cut down to seconds, over one view of each photo."""
        return dataclasses.replace(StageConfig.smoke(self), views=1)


@dataclass(frozen=True, slots=True)
class JointConfig(StageConfig):
    """Training the generator together with retrieval, over the towers of a bundle.

    An epoch takes each photo once, with some of its captions in each language.

    Attributes:
        languages: of the captions.
        objective: what is learnt: ``likelihood`` of the captions, or ``reward``, the CIDEr of sampled ones
            (self-critical training: Rennie et al., CVPR 2017, arXiv 1612.00563).
        captions: captions of a photo and language in a batch; in training by reward, sampled ones.
        views: augmented versions of each training photo; the first is the photo itself.
        recalled: texts of the memory that the generator looks at.
        candidates: of as many, found once an epoch, those that a batch looks at are drawn.
        memory_share: of the photos in a batch that look at the memory; the others learn to do without. 0 trains a
            generator without retrieval.
        foreign: share of the batches that look at texts in another language than that of the captions.
        invented: share of the photos in a batch for which one word is replaced by an invented one, in the captions
            and in what is recalled, so that the generator learns to take names from the memory.
        question_weight: weight of the answers to a question about each photo; 0 learns captions alone.
        asked: share of the photos in a batch that a question is asked about, of those that have some.
        answered: share of the texts recalled for a question in whose place a question about that text's photo stands
            with its answer.
        blind: share of the questions that are asked without showing the photo or a memory, so that the generator tells
            what the question alone gives away.
        smoothing: of the targets.
        dropout: of the generator.
        max_tokens: longest caption, beginning and end included.
        recalled_tokens: longest recalled text.
        rate: peak learning rate of the generator.
        decoder: whether it begins as ``revln train lm`` has left it, or with random weights.
        decoder_rate: its peak learning rate.
        retriever: whether the projection heads of the towers are trained through the retrieval scores.
        retriever_rate: their peak learning rate.
        contrast_weight: weight of the loss that keeps photos and captions together in the joint space while the
            retriever is trained.
        vision_blocks: blocks of the CNN that are trained too, counted from its end; 0 freezes it.
        vision_rate: their peak learning rate.
        start: id of the bundle whose towers it is trained on; ``--from`` sets it.
    """

    languages: Literal["en", "en zh"] = "en zh"
    objective: Literal["likelihood", "reward"] = "likelihood"
    captions: Count = 3
    views: Count = 6
    recalled: Count = 8
    candidates: Count = 16
    memory_share: Annotated[float, Range(0, 1.0001)] = 0.85
    foreign: Share = 0.1
    invented: Share = 0.1
    question_weight: Weight = 0.0
    asked: Annotated[float, Range(0, 1.0001)] = 0.5
    answered: Share = 0.3
    blind: Share = 0.1
    smoothing: Share = 0.1
    dropout: Share = 0.2
    max_tokens: Annotated[int, Range(3, 129)] = 26
    recalled_tokens: Annotated[int, Range(1, 129)] = 18
    rate: Weight = 5e-4
    decoder: Literal["pretrained", "scratch"] = "pretrained"
    decoder_rate: Weight = 5e-4
    retriever: Literal["frozen", "trained"] = "frozen"
    retriever_rate: Weight = 1e-4
    contrast_weight: Weight = 0.5
    vision_blocks: Annotated[int, Range(0, 16)] = 0
    vision_rate: Weight = 5e-5
    epochs: Count = 12
    batch_size: Count = 64
    clip: Weight = 1.0
    start: str = ""

    def __post_init__(self) -> None:
        StageConfig.__post_init__(self)
        if self.candidates < self.recalled:
            raise ConfigError(f"candidates = {self.candidates}: fewer than recalled = {self.recalled}")

    def smoke(self) -> Self:
        """The same run cut down to seconds, over one view of each photo."""
        return dataclasses.replace(StageConfig.smoke(self), views=1)


C = TypeVar("C", bound=StageConfig)


def load_config(path: Path, kind: type[C] | C) -> C:
    """Binds a TOML file to the configuration of a stage.

    Args:
        path: the file.
        kind: the class of the configuration, or one that holds for what the file does not say.

    Raises:
        ConfigError: the file is missing or malformed, a key is unknown, or a value has the wrong type or range; the
            message names file and key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    types = get_type_hints(kind if isinstance(kind, type) else type(kind))
    for key, value in values.items():
        if key not in types:
            near = get_close_matches(key, types, n=1)
            way_out = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(types))}"
            raise ConfigError(f"{path}: unknown key {key!r}: {way_out}")
        if types[key] is float and type(value) is int:
            values[key] = float(value)
    try:
        return kind(**values) if isinstance(kind, type) else dataclasses.replace(kind, **values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _complaint(value: Any, hint: Any) -> str | None:
    """What is wrong with a value for a field of that type."""
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return None if value in choices else f"choose from {', '.join(choices)}"
    kind, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if type(value) is not kind:
        return f"expected {kind.__name__}"
    return next((complaint for bound in bounds if (complaint := bound.complaint(value))), None)

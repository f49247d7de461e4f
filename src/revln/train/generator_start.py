"""What training of a generator begins with: a language model, a run before it, or the generator of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from revln.errors import InputError
from revln.models import Bundle
from revln.models.bundle import GENERATOR_LOOK, GENERATOR_SAY, GENERATOR_TOKENIZER, TOKENIZER
from revln.train.config import JointConfig
from revln.train.decoder import Decoder, DecoderSize
from revln.train.language import LanguagePart, load_language_part
from revln.train.onnx_files import read_weights
from revln.train.run_directory import check_run

__all__ = ["SIZE_FILE", "WEIGHTS_FILE", "GeneratorStart"]

SIZE_FILE = "generator.json"
WEIGHTS_FILE = "joint.safetensors"
_PREFIX = "generator."


@dataclass(frozen=True, slots=True, eq=False)
class GeneratorStart:
    """What a generator begins with.

    Attributes:
        part: a decoder that looks at a context, and its tokenizer.
        weights: of the ``JointModel`` around it, by name, of all of it or of the generator alone; none where all but
            the decoder begins anew.
    """

    part: LanguagePart
    weights: Mapping[str, Tensor]

    @classmethod
    def of_language_model(cls, run: Path, config: JointConfig) -> GeneratorStart:
        """What ``revln train lm`` has made.

        Raises:
            InputError: the directory holds no finished epoch of such a run.
        """
        scratch = config.decoder == "scratch"
        return cls(load_language_part(run, config.dropout, looks=True, scratch=scratch, seed=config.seed), {})

    @classmethod
    def of_run(cls, run: Path, config: JointConfig) -> GeneratorStart:
        """What ``revln train joint`` has made.

        Raises:
            InputError: the directory holds no finished epoch of such a run.
        """
        check_run(run, (WEIGHTS_FILE, TOKENIZER, SIZE_FILE), "joint")
        return cls(_part(DecoderSize.read(run / SIZE_FILE), run / TOKENIZER, config), load_file(run / WEIGHTS_FILE))

    @classmethod
    def of_bundle(cls, bundle: Bundle, config: JointConfig) -> GeneratorStart:
        """The generator of a bundle.

        Raises:
            InputError: it has none, or another revln has made it.
            BundleError: it is damaged.
        """
        if not bundle.card.generator:
            raise InputError(f"{bundle.directory}: has no generator: give another bundle, or a language model")
        try:
            size = DecoderSize(**bundle.card.generator["decoder"])
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{bundle.directory / 'card.json'}: does not tell the size of the decoder ({error}): begin with a "
                "bundle that this revln has exported, or with a language model"
            ) from error
        part = _part(size, bundle.file(GENERATOR_TOKENIZER), config)
        weights = {
            name: tensor
            for graph in (GENERATOR_LOOK, GENERATOR_SAY)
            for name, tensor in read_weights(bundle.file(graph)).items()
            if name.startswith(_PREFIX)
        }
        return cls(part, weights)


def _part(size: DecoderSize, tokenizer: Path, config: JointConfig) -> LanguagePart:
    return LanguagePart(Decoder(size, config.dropout, looks=True), Tokenizer.from_file(str(tokenizer)))

"""Bits a character of held-out captions: a language model against a Kneser-Ney trigram on the same text.

Both read the same pieces of the same captions, and say how likely each held-out caption is, its end included. The
trigram learns from the captions of the language alone or from all that the model has read; the better one counts.

    python benchmarks/language_model.py RUN FLICKR8K --dictionary /usr/share/wordnet

RUN is the directory of ``revln train lm``. Takes about a minute on two cores.
"""

from __future__ import annotations

from pathlib import Path

import torch

from common import finish, parser
from revln.metrics import Trigram
from revln.train.config import LanguageConfig, load_config
from revln.train.language import LanguageData, LanguageModel, coded, load_language_part

CONFIG = Path(__file__).parents[1] / "configs" / "lm-small.toml"


def main() -> None:
    """Prints a row a language."""
    arguments = parser(__doc__)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("captioned", type=Path, help="folder laid out like Flickr8k")
    arguments.add_argument("--dictionary", type=Path, help="WordNet's database files, if the run has read them")
    given = arguments.parse_args()
    data = LanguageData.in_folder(given.captioned, given.dictionary)
    part = load_language_part(given.run, 0.0, looks=False)
    config = load_config(CONFIG, LanguageConfig)
    with torch.inference_mode():
        measured = LanguageModel(config, data, part).evaluate(part.decoder.eval())
    pieces = {kind: coded(part.tokenizer, texts, kind) for kind, texts in data.train.items()}
    vocabulary = part.tokenizer.get_vocab_size()
    everything = [sentence[1:-1] for own in pieces.values() for sentence in own]
    results = {}
    print(f"{'language':>10} {'model':>8} {'trigram':>8} {'of all text':>12}")
    for language, texts in data.dev.items():
        held_out = [sentence[1:-1] for sentence in coded(part.tokenizer, texts, language)]
        characters = sum(map(len, texts))
        own, all_text = (
            sum(map(Trigram(sentences, vocabulary).bits, held_out)) / characters
            for sentences in ([sentence[1:-1] for sentence in pieces[language]], everything)
        )
        model = measured[f"{language}_bits_per_character"]
        print(f"{language:>10} {model:8.3f} {own:8.3f} {all_text:12.3f}", flush=True)
        results[language] = {"model": model, "trigram": round(own, 4), "trigram of all text": round(all_text, 4)}
    finish("language_model", run=str(given.run), bits_per_character=results)


if __name__ == "__main__":
    main()

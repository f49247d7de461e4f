"""The language model: what it reads, that it learns, and that its bits are those of a direct computation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from revln.errors import InputError
from revln.text.special import END, beginning
from revln.train.checkpoint import read_tensors
from revln.train.config import LanguageConfig, load_config
from revln.train.decoder import Decoder, DecoderSize
from revln.train.language import (
    LanguageData,
    LanguageModel,
    LanguagePart,
    coded,
    lm,
    load_language_part,
    special_token,
)
from revln.train.loop import Draw
from revln.train.pairs import AlignData
from revln.train.run_directory import RunDirectory
from revln.train.text_encoders import Sentences
from revln.train.word_pieces import learn_word_pieces

TINY = LanguageConfig(
    pieces=300, width=16, layers=1, heads=2, key_heads=1, hidden=32, epochs=2, batch_size=16, rate=5e-3, ema=0.5
)


@pytest.fixture(scope="module")
def data(caption_data: AlignData, dictionary: Path) -> LanguageData:
    return LanguageData.in_folder(caption_data.images.parent, dictionary)


def part_for(data: LanguageData, **size: int) -> LanguagePart:
    torch.manual_seed(0)
    tokenizer = learn_word_pieces([text for texts in data.train.values() for text in texts], 300)
    shape = {"width": 16, "layers": 1, "heads": 2, "key_heads": 1, "hidden": 32} | size
    return LanguagePart(Decoder(DecoderSize(tokenizer.get_vocab_size(), **shape)), tokenizer)


def test_texts_of_a_folder(data: LanguageData, caption_data: AlignData, dictionary: Path, tmp_path: Path) -> None:
    """Captions of training photos with translations, without full stops; the dictionary and files apart from them."""
    assert data.train.keys() == {"en", "zh", "text"}
    assert data.train["en"][:2] == ["a red wall", "a picture that is all red"]
    assert data.train["zh"][:3] == ["红色的墙", "一张全是红色的图片", "一面红色的墙"]
    assert (len(data.train["en"]), len(data.train["zh"])) == (48, 46 + 24)
    assert "garden wall" in data.train["text"]
    assert {kind: len(texts) for kind, texts in data.dev.items()} == {"en": 16, "zh": 16}
    (tmp_path / "more.txt").write_text("One sentence.\n\n  another one \n", encoding="utf-8")
    more = LanguageData.in_folder(caption_data.images.parent, None, [tmp_path / "more.txt"])
    assert more.train["text"] == ["One sentence.", "another one"]
    assert "text" not in LanguageData.in_folder(caption_data.images.parent).train
    assert {kind: len(texts) for kind, texts in data.cut(7).train.items()} == {"en": 7, "zh": 7, "text": 7}


def test_files_that_are_no_text(caption_data: AlignData, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for name in ("photo.jpg", "nowhere.txt"):
        with pytest.raises(InputError, match=rf"{name}: cannot be read as text in UTF-8"):
            LanguageData.in_folder(caption_data.images.parent, None, [tmp_path / name])


def test_texts_stand_between_their_beginning_and_their_end(data: LanguageData) -> None:
    tokenizer = part_for(data).tokenizer
    first, end = (tokenizer.token_to_id(name) for name in (beginning("zh"), END))
    whole, cut = (coded(tokenizer, ["一张全是红色的图片"], "zh", most)[0] for most in (None, 4))
    assert (whole[0], whole[-1], cut[0], cut[-1]) == (first, end, first, end)
    assert len(cut) == 4
    assert tokenizer.decode(whole) == "一张全是红色的图片"
    assert whole[:3] == cut[:3]
    with pytest.raises(InputError, match=r"has no token <fr>: train the language model again"):
        special_token(tokenizer, beginning("fr"))


def test_bits_are_those_of_a_direct_computation(data: LanguageData) -> None:
    """Each sentence alone, its end counted in, also when it is longer than those that are learnt from."""
    part = part_for(data)
    stage = LanguageModel(LanguageConfig(max_tokens=5, batch_size=3), data, part)
    torch.nn.init.normal_(part.decoder.words.weight, std=0.3)
    decoder = part.decoder.eval()
    found = stage.evaluate(decoder)
    with torch.inference_mode():
        for kind, texts in data.dev.items():
            bits = 0.0
            for text in texts:
                ids = [part.tokenizer.token_to_id(beginning(kind)), *part.tokenizer.encode(text).ids]
                told = decoder.scores(decoder(torch.tensor([ids]), decoder.no_past(1)).hidden)[0].log_softmax(-1)
                following = [*ids[1:], part.tokenizer.token_to_id(END)]
                bits -= sum(float(told[place, word]) for place, word in enumerate(following)) / math.log(2)
            expected = bits / sum(map(len, texts))
            assert found[f"{kind}_bits_per_character"] == pytest.approx(expected, rel=0.01)
    assert found["score"] == pytest.approx(
        -(found["en_bits_per_character"] + found["zh_bits_per_character"]) / 2, abs=1e-4
    )


def test_every_text_is_read_sooner_or_later(data: LanguageData) -> None:
    """What fills no batch is left out by chance; of the dictionary an epoch takes a share."""

    class Reading(LanguageModel):
        def _read(self, module: Decoder, sentences: Sentences) -> tuple[Tensor, Tensor]:
            batches.append(sentences)
            return super()._read(module, sentences)

    batches: list[Sentences] = []
    texts = {"en": ["a wall", "a red wall", "a picture that is all red"], "text": ["one", "two", "three"]}
    stage = Reading(LanguageConfig(batch_size=3, dictionary=2), LanguageData(texts, {"en": ["a wall"]}), part_for(data))
    assert stage.steps == 1
    assert all(loss.isfinite() for epoch in range(30) for loss in stage.losses(Draw.of_epoch(0, epoch)))
    assert {len(batch) for batch in batches} == {3}
    read = {tuple(sentence) for batch in batches for sentence in batch}
    assert read == {tuple(sentence) for own in stage.train.values() for sentence in own}
    assert all(sum(tuple(stage.train["text"][0])[:1] == tuple(s[:1]) for s in batch) <= 2 for batch in batches)


def test_a_language_without_held_out_captions_is_not_measured(caption_data: AlignData, tmp_path: Path) -> None:
    for file in ("captions.txt", "train.txt", "dev.txt"):
        (tmp_path / file).write_bytes((caption_data.images.parent / file).read_bytes())
    (tmp_path / "images").symlink_to(caption_data.images)
    (tmp_path / "captions.zh.txt").write_text("image,caption\n00.jpg,红色的墙。\n", encoding="utf-8")
    data = LanguageData.in_folder(tmp_path)
    assert data.train["zh"] == ["红色的墙"]
    stage = LanguageModel(TINY, data, part_for(data))
    assert stage.evaluate(stage.module.eval()).keys() == {"score", "en_bits_per_character"}


@pytest.mark.slow
def test_bits_fall(language_run: Path) -> None:
    epochs = [json.loads(line) for line in (language_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == list(range(9))
    for language in ("en", "zh"):
        bits = [epoch[f"{language}_bits_per_character"] for epoch in epochs]
        assert bits[-1] < 0.3 * bits[0]


@pytest.mark.slow
def test_what_a_run_leaves_is_what_it_measured(language_run: Path, data: LanguageData) -> None:
    part = load_language_part(language_run, 0.1, looks=False)
    config = load_config(language_run.with_suffix(".toml"), LanguageConfig)
    epochs = [json.loads(line) for line in (language_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    with torch.inference_mode():
        found = LanguageModel(config, data, part).evaluate(part.decoder.eval())
    assert found["score"] == max(epoch["score"] for epoch in epochs[1:])


@pytest.mark.slow
def test_it_speaks_the_language_that_it_is_asked_in(language_run: Path, data: LanguageData) -> None:
    part = load_language_part(language_run, 0.0, looks=False)
    decoder = part.decoder.eval()
    for language in ("en", "zh"):
        ids, past = torch.tensor([[special_token(part.tokenizer, beginning(language))]]), decoder.no_past(1)
        said: list[int] = []
        with torch.inference_mode():
            while len(said) < 12 and (not said or said[-1] != special_token(part.tokenizer, END)):
                step = decoder(ids, past)
                past, ids = step.past, decoder.scores(step.hidden[:, -1:]).argmax(-1)
                said.append(int(ids))
        assert part.tokenizer.decode(said) in data.train[language]


@pytest.mark.slow
def test_what_looks_is_new_and_follows_the_seed(language_run: Path) -> None:
    one, same, other = (load_language_part(language_run, 0.0, looks=True, seed=seed).decoder for seed in (1, 1, 2))
    kept = load_language_part(language_run, 0.0, looks=False).decoder.state_dict()
    for name, weights in one.state_dict().items():
        assert weights.equal(same.state_dict()[name])
        if weights.ndim > 1:
            assert weights.equal(other.state_dict()[name]) == (name in kept)
        if name in kept:
            assert weights.equal(kept[name])
    scratch = load_language_part(language_run, 0.0, looks=True, scratch=True).decoder
    assert not scratch.words.weight.equal(kept["words.weight"])
    assert scratch.size == one.size


@pytest.mark.slow
def test_interrupted_run_resumes_to_the_last_bit(
    data: LanguageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RunDirectory.save

    def save_and_die(self: RunDirectory, *arguments) -> None:
        save(self, *arguments)
        if len(self.history) == 2:
            raise KeyboardInterrupt

    lm(TINY, data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            lm(TINY, data, tmp_path / "killed")
    with pytest.raises(InputError, match="--resume"):
        lm(TINY, data, tmp_path / "killed")
    lm(TINY, data, tmp_path / "killed", resume=True)
    for name in ("checkpoint.safetensors", "decoder.safetensors"):
        one, two = (read_tensors(tmp_path / run / name) for run in ("whole", "killed"))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    for name in ("tokenizer.json", "decoder.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_a_directory_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"decoder\.json: missing: make it with revln train lm --out"):
        load_language_part(tmp_path, 0.0, looks=True)


def test_a_tokenizer_that_does_not_pad_with_its_first_token(data: LanguageData, tmp_path: Path) -> None:
    tokenizer = json.loads(part_for(data).tokenizer.to_str())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["<pad>"], vocabulary["</s>"] = vocabulary["</s>"], vocabulary["<pad>"]
    Tokenizer.from_str(json.dumps(tokenizer)).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="padding is not its first token: train again into another directory"):
        lm(TINY, data, tmp_path, resume=True)

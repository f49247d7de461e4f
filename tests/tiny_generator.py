"""The generator of the tiny bundle, whose sentences a person can predict.

By itself it says "a red photo" or "一张红色照片", with the colour that is brightest in the photo; asked whatever
question, "red photo", since its words depend on the last token only. If the memory recalls something it says the text
with the largest share instead, word for word; to a question as well, so that it repeats one that was taught with its
answer. A text's share is the sum of its likenesses s (where that is positive) against that of the others and 1 for
none: s / (1 + all s). The weights of the evidence are these shares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, checker, numpy_helper, parser, save
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from revln.text.special import ANSWER, END, SPECIAL, UNKNOWN, beginning

LANGUAGES = ("en", "zh")
WORDS = (
    *SPECIAL,
    *(f"▁{word}" for word in ("a", "photo", "red", "green", "blue", "wall", "dog", "Ada", "beach", "on", "the", "of")),
    *"一张红绿蓝色照片只狗墙上的",
)
MAX_TOKENS = 12  # beginning and end included
RECALLED_TOKENS = 6
FACTS = {
    "languages": LANGUAGES,
    "max_tokens": MAX_TOKENS,
    "recalled_tokens": RECALLED_TOKENS,
    "recalled": 8,
    "likeness_weights": (1.0, 1.0, 1.0),
    "decoder": {"vocabulary": len(WORDS), "width": 3, "layers": 1, "heads": 1, "key_heads": 1, "hidden": 6},
    "answers": True,
}
"""What the card says of it, but for the towers."""

_PATHS = {"<en>": ["<en> ▁a", "▁red|▁green|▁blue ▁photo", "▁photo </s>"],
          "<zh>": ["<zh> 一", "一 张", "红|绿|蓝 色", "色 照", "照 片", "片 </s>"]}  # fmt: skip
_ENGLISH = ("▁red", "▁green", "▁blue")
_COLOURS = {"▁a": _ENGLISH, ANSWER: _ENGLISH, "张": ("红", "绿", "蓝")}  # said after these tokens
_LIKELY = 8.0  # logits
_PULL = 12.0  # of what is copied

_LOOK = """
<ir_version: 8, opset_import: ["" : 17]>
look (float[n, 1, 3] grid, float[n, d] whole, int64[n, k, w] words, float[n, k, 3] likenesses) =>
     (float[1, n, 1, s, 3] keys, float[1, n, 1, s, 3] values, float[n, s] bias, int64[n, c] copied,
      float[n, c, v] copy_keys, float[n, c] copy_bias, float[n, j] shares)
{
  some = ReduceMax <axes: ints = [2], keepdims: int = 0> (words)
  some_are_there = Greater (some, pad)
  there = Cast <to: int = 1> (some_are_there)
  alike = ReduceSum <keepdims: int = 0> (likenesses, axis2)
  liked = Relu (alike)
  scores = Mul (liked, there)
  total = ReduceSum <keepdims: int = 1> (scores, axis1)
  whole_total = Add (total, unit)
  own = Div (scores, whole_total)
  none = Div (unit, whole_total)
  shares = Concat <axis: int = 1> (none, own)

  size = Shape (words)
  longest = Shape <start: int = 2, end: int = 3> (words)
  length = Cast <to: int = 1> (longest)
  each = Div (own, length)
  each_column = Unsqueeze (each, axis2)
  spread = Expand (each_column, size)
  of_words = Flatten (spread)
  third = Div (none, three)
  looked = Concat <axis: int = 1> (third, third, third, of_words)
  looked_some = Add (looked, least)
  bias = Log (looked_some)

  bias_column = Unsqueeze (bias, axes024)
  blank = Mul (bias_column, nothing)
  colour = Unsqueeze (grid, axes02)
  values = Add (colour, blank)
  keys = Identity (values)

  ended = Pad (words, one_more_after)
  is_pad = Equal (ended, pad)
  next = Where (is_pad, end, ended)
  copied = Flatten (next)
  begun = Pad (words, one_more_before, first)
  last = Flatten (begun)
  copy_keys = OneHot (last, vocabulary, off_on)
  largest = ReduceMax <axes: ints = [1], keepdims: int = 1> (own)
  is_largest = Equal (own, largest)
  is_some = Greater (own, nothing)
  is_said = And (is_largest, is_some)
  said = Cast <to: int = 1> (is_said)
  silenced = Sub (said, unit)
  silenced_column = Unsqueeze (silenced, axis2)
  padded_size = Shape (ended)
  silenced_words = Expand (silenced_column, padded_size)
  copy_bias = Flatten (silenced_words)
}
"""

_SAY = """
<ir_version: 8, opset_import: ["" : 17]>
say (int64[m, t] ids, float[1, 2, m, 1, p, 3] past, float[1, n, 1, s, 3] keys, float[1, n, 1, s, 3] values,
     float[n, s] bias, int64[n, c] copied, float[n, c, v] copy_keys, float[n, c] copy_bias, float[n, j] shares) =>
    (float[m, t, v] log_probabilities, float[1, 2, m, 1, q, 3] past_after, float[m, t, s] looked)
{
  rows = Shape <start: int = 0, end: int = 1> (shares)
  of_rows = Concat <axis: int = 0> (rows, any, vocabulary)
  by_last_word = Gather (table, ids)
  by_last = Reshape (by_last_word, of_rows)

  colour = ReduceMean <axes: ints = [0, 2, 3], keepdims: int = 0> (values)
  colour_words = MatMul (colour, names)
  colour_row = Unsqueeze (colour_words, axis1)
  named_after_word = Gather (naming, ids)
  named_after = Reshape (named_after_word, of_rows)
  named = Mul (named_after, colour_row)

  asked_word = Gather (asked, ids)
  asked_row = Reshape (asked_word, of_rows)
  columns = Transpose <perm: ints = [0, 2, 1]> (copy_keys)
  follows = MatMul (asked_row, columns)
  copy_row = Unsqueeze (copy_bias, axis1)
  biased = Add (follows, copy_row)
  copying = Relu (biased)
  copied_words = OneHot (copied, vocabulary, off_on)
  votes = MatMul (copying, copied_words)
  once = Min (votes, unit)
  pulled = Mul (once, pull)

  logits = Sum (by_last, named, pulled)
  logarithms = LogSoftmax (logits)
  sizes = Shape (by_last_word)
  log_probabilities = Reshape (logarithms, sizes)

  tokens = Cast <to: int = 1> (ids)
  tokens_column = Unsqueeze (tokens, axes0135)
  grown = Expand (tokens_column, twice_thrice)
  past_after = Concat <axis: int = 4> (past, grown)

  share = Softmax <axis: int = 1> (bias)
  share_row = Unsqueeze (share, axis1)
  ones = ReduceSum <keepdims: int = 1> (asked_row, axis2)
  looked_rows = Mul (ones, share_row)
  token_sizes = Shape (ids)
  looked_sizes = Concat <axis: int = 0> (token_sizes, any)
  looked = Reshape (looked_rows, looked_sizes)
}
"""


def write_tiny_generator(look: Path, say: Path, tokenizer: Path) -> None:
    """Writes the two graphs and the tokenizer."""
    number = {word: place for place, word in enumerate(WORDS)}
    count = len(WORDS)
    one, axes = np.float32(1), {f"axis{axis}": np.array([axis]) for axis in (1, 2)}
    shared = axes | {"vocabulary": np.array([count]), "off_on": np.array([0, 1], np.float32), "unit": one}
    first = number[beginning("en")]
    _save(
        look,
        _LOOK,
        shared
        | {
            "axes024": np.array([0, 2, 4]),
            "axes02": np.array([0, 2]),
            "pad": np.int64(0),
            "end": np.int64(number[END]),
            "first": np.int64(first),
            "one_more_after": np.array([0, 0, 0, 0, 0, 1]),
            "one_more_before": np.array([0, 0, 1, 0, 0, 0]),
            "three": np.float32(3),
            "least": np.float32(1e-9),
            "nothing": np.float32(0),
        },
    )
    table, naming, names = (np.zeros((rows, count), np.float32) for rows in (count, count, 3))
    for step in (step for steps in _PATHS.values() for step in steps):
        before, after = step.split()
        for word in before.split("|"):
            table[number[word], number[after]] = _LIKELY
    for word, colours in _COLOURS.items():
        for channel, colour in enumerate(colours):
            naming[number[word], number[colour]] = 1
            names[channel, number[colour]] = _LIKELY
    asked = np.eye(count, dtype=np.float32)
    for token in (beginning("zh"), ANSWER):  # texts begin alike in all languages, and as answers
        asked[number[token]] = asked[first]
    own = {"table": table, "naming": naming, "names": names, "asked": asked, "any": np.array([-1])}
    own |= {"pull": np.float32(_PULL), "axes0135": np.array([0, 1, 3, 5]), "twice_thrice": np.array([1, 2, 1, 1, 1, 3])}
    _save(say, _SAY, shared | own)
    _tokenizer(number).save(str(tokenizer))


def _tokenizer(number: dict[str, int]) -> Tokenizer:
    """Words with a mark before them, and single Han characters."""
    made = Tokenizer(models.WordLevel(number, unk_token=UNKNOWN))
    made.normalizer = normalizers.Replace(Regex(r"(?<!\S)(?=[^\s\p{Han}])"), "▁")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated")]
    )
    made.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)])
    made.add_special_tokens(list(SPECIAL))
    return made


def _save(path: Path, text: str, constants: dict[str, np.ndarray]) -> None:
    model: ModelProto = parser.parse_model(text)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    checker.check_model(model)
    save(model, str(path))

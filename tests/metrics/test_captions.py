from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider as CocoCider
from pycocoevalcap.rouge.rouge import Rouge

from revln.errors import InputError
from revln.metrics import Cider, Tokens, bleu, caption_scores, rouge_l

Captions = list[tuple[str, ...]]


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def coco(metric: Bleu | Rouge | CocoCider, candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]):
    """What pycocoevalcap says: the score of all, and of each image."""
    said = {image: [" ".join(candidate)] for image, candidate in enumerate(candidates)}
    wanted = {image: [" ".join(one) for one in sentences] for image, sentences in enumerate(references)}
    options = {"verbose": 0} if isinstance(metric, Bleu) else {}
    return metric.compute_score(wanted, said, **options)


def random_captions(seed: int, images: int = 200, vocabulary: int = 12) -> tuple[Captions, list[Captions]]:
    """Captions out of few words, frequent and rare ones, with the odd lengths and repetitions that come with chance."""
    random = np.random.default_rng(seed)
    chances = 1 / np.arange(1, vocabulary + 1)

    def sentence(shortest: int) -> tuple[str, ...]:
        drawn = random.choice(vocabulary, size=random.integers(shortest, 15), p=chances / chances.sum())
        return tuple(f"w{number}" for number in drawn)

    references = [[sentence(1) for _ in range(random.integers(1, 6))] for _ in range(images)]
    candidates = [sentence(0) for _ in range(images)]
    candidates[0], candidates[1], candidates[2] = (), ("w0",), ("unheard", "of")
    candidates[3:20] = [sentences[-1] for sentences in references[3:20]]
    return candidates, references


@pytest.fixture(scope="module", params=[0, 1, 2])
def captions(request: pytest.FixtureRequest) -> tuple[Captions, list[Captions]]:
    return random_captions(request.param)


def test_bleu_is_that_of_coco_caption(captions: tuple[Captions, list[Captions]]) -> None:
    assert bleu(*captions) == pytest.approx(coco(Bleu(4), *captions)[0], abs=1e-12)


def test_bleu_of_captions_that_are_too_short_is_that_of_coco_caption(captions: tuple[Captions, list[Captions]]) -> None:
    candidates, references = captions
    short = [candidate[:3] for candidate in candidates]
    assert bleu(short, references) == pytest.approx(coco(Bleu(4), short, references)[0], abs=1e-12)


def test_rouge_is_that_of_coco_caption(captions: tuple[Captions, list[Captions]]) -> None:
    np.testing.assert_allclose(rouge_l(*captions), coco(Rouge(), *captions)[1], atol=1e-12)


def test_cider_is_that_of_coco_caption(captions: tuple[Captions, list[Captions]]) -> None:
    candidates, references = captions
    expected = coco(CocoCider(), candidates, references)[1]
    np.testing.assert_allclose(Cider(references).scores(candidates), expected, atol=1e-12)
    assert len(set(expected)) > 100  # there is something to agree on


def test_cider_takes_document_frequencies_from_another_corpus(captions: tuple[Captions, list[Captions]]) -> None:
    candidates, corpus = captions
    expected = coco(CocoCider(), candidates, corpus)[1]
    found = Cider(corpus[:50], corpus=corpus).scores(candidates[:50])
    np.testing.assert_allclose(found, expected[:50], atol=1e-12)
    assert not np.allclose(Cider(corpus[:50]).scores(candidates[:50]), found)


def test_cider_scores_any_number_of_candidates_of_an_image(captions: tuple[Captions, list[Captions]]) -> None:
    candidates, references = captions
    cider = Cider(references)
    images = [7, 7, 3, 199]
    assert cider.scores([candidates[image] for image in images], images) == pytest.approx(
        cider.scores(candidates)[images]
    )
    right, wrong = cider.scores([references[7][0], references[8][0]], [7, 7])
    assert right > wrong


def test_all_scores_are_those_of_coco_caption_times_100(captions: tuple[Captions, list[Captions]]) -> None:
    scores = caption_scores(*captions)
    expected = [*coco(Bleu(4), *captions)[0], coco(Rouge(), *captions)[0], coco(CocoCider(), *captions)[0]]
    assert list(scores) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]
    assert list(scores.values()) == pytest.approx([100 * score for score in expected], abs=1e-9)


def test_bleu_counts_a_word_no_more_often_than_a_reference_has_it() -> None:
    """Example 2 of Papineni et al., section 2.1: two of seven."""
    references = [[words("the cat is on the mat"), words("there is a cat on the mat")]]
    assert bleu([words("the the the the the the the")], references)[0] == pytest.approx(2 / 7)


def test_bleu_punishes_captions_shorter_than_the_nearest_reference() -> None:
    references = [[words("a b c d e"), words("a b c d e f g h i")]]
    assert bleu([words("a b c d")], references) == pytest.approx([math.exp(1 - 5 / 4)] * 4)
    assert bleu([words("a b c d e f g")], references)[0] == pytest.approx(1)  # 5 and 9 are as near: the shorter one


def test_rouge_counts_the_longest_common_subsequence() -> None:
    """The example of Lin, section 3.1."""
    reference = [words("police killed the gunman")]
    candidates = [words("police kill the gunman"), words("the gunman kill police")]
    assert rouge_l(candidates, [reference] * 2) == pytest.approx([3 / 4, 2 / 4])


def test_rouge_weighs_recall_more_than_precision() -> None:
    # Precision 1, recall 1/2: (1 + 1.44) * 1/2 / (1/2 + 1.44).
    assert rouge_l([words("a b")], [[words("a b c d")]]) == pytest.approx(1.22 / 1.94)


def test_cider_by_hand() -> None:
    # "a" is in both images and weighs nothing. Words and pairs of words agree in full; there are no longer n-grams.
    cider = Cider([[words("a b")], [words("a c")]])
    assert cider.scores([words("a b"), words("a b")]) == pytest.approx([10 * (1 + 1) / 4, 0])
    # One word less than the reference.
    assert cider.scores([words("b")], [0]) == pytest.approx(10 / 4 * math.exp(-1 / (2 * 6**2)))


def test_what_a_caption_repeats_earns_nothing() -> None:
    cider = Cider([[words("b")], [words("c")]])
    once, twice = cider.scores([words("b x"), words("b b")], [0, 0])
    # The same length; "x" is as rare as "b", so the first is 45 degrees off. The second has the right direction, and
    # loses half for the repetition.
    assert once / twice == pytest.approx(math.sqrt(1 / 2) / (1 / 2))


def test_words_that_the_corpus_does_not_have_are_told_from_each_other() -> None:
    cider = Cider([[words("new word")]], corpus=[[words("a")], [words("b")]])
    assert cider.scores([words("new word"), words("other thing")], [0, 0]) == pytest.approx([5, 0])


def test_one_image_is_no_corpus() -> None:
    assert Cider([[words("a b c d")]]).scores([words("a b c d")]) == pytest.approx([0])


def test_an_empty_caption_scores_nothing() -> None:
    references = [[words("a b c d")], [words("e f g h")]]
    assert caption_scores([(), ()], references) == dict.fromkeys(caption_scores([(), ()], references), 0.0)
    full = caption_scores([words("a b c d"), words("e f g h")], references)
    half = caption_scores([words("a b c d"), ()], references)
    assert (half["ROUGE-L"], half["CIDEr"]) == pytest.approx((full["ROUGE-L"] / 2, full["CIDEr"] / 2))
    assert (full["BLEU-4"], full["ROUGE-L"], full["CIDEr"]) == pytest.approx((100, 100, 1000))


def test_references_without_words_match_nothing() -> None:
    scores = caption_scores([words("a b"), ()], [[()], [()]])
    assert list(scores.values()) == pytest.approx([0] * 6, abs=1e-3)
    assert (scores["ROUGE-L"], scores["CIDEr"]) == (0, 0)


@pytest.mark.parametrize("measure", [bleu, rouge_l, caption_scores, lambda said, wanted: Cider(wanted).scores(said)])
def test_what_cannot_be_compared_is_refused(measure) -> None:
    sentence = words("a b")
    with pytest.raises(InputError, match="2 captions for 1 images: give one for each image"):
        measure([sentence, sentence], [[sentence]])
    with pytest.raises(InputError, match=r"image 1 .* has no reference captions: leave it out"):
        measure([sentence, sentence], [[sentence], []])


def test_no_captions_are_refused() -> None:
    for measure in (bleu, rouge_l, caption_scores):
        with pytest.raises(InputError, match="no captions to score"):
            measure([], [])
    with pytest.raises(InputError, match="no captions to score"):
        Cider([[words("a")]]).scores([], [])


def test_cider_refuses_images_that_it_has_no_references_of() -> None:
    references = [[words("a b")]]
    for image in (1, -1):
        with pytest.raises(InputError, match=f"image {image}: there are 1 with references"):
            Cider(references).scores([words("a b")], [image])
    with pytest.raises(InputError, match="no images with reference captions"):
        Cider([])
    with pytest.raises(InputError, match="no images with reference captions"):
        Cider(references, corpus=[])

"""What the joint space is trained on: photos with captions in one or more languages, and classes with their names."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from revln.errors import InputError
from revln.sources import read_captions, read_split
from revln.train.class_names import ClassFeatures
from revln.train.features import Augmentation
from revln.train.loop import Draw
from revln.train.text_encoders import Sentences

__all__ = [
    "CAPTIONS_PER_IMAGE",
    "AlignData",
    "CaptionPairs",
    "ClassPairs",
    "Drawn",
    "Texts",
    "fitting_views",
    "tells_sides",
]

CAPTIONS_PER_IMAGE = 5

Texts = Mapping[str, Sequence[str]]  # by language
Photos = npt.NDArray[np.int64]

_SIDES = re.compile(r"\b(left|right)\b|左|右", re.IGNORECASE)


def tells_sides(texts: Sequence[str]) -> bool:
    """Whether a text says left or right, so that it does not fit the photo's mirror image."""
    return any(_SIDES.search(text) for text in texts)


def fitting_views(texts: Mapping[str, Sequence[str]], views: int) -> npt.NDArray[np.bool_]:
    """Whether the texts of a photo fit a view of it [n, views]: those that tell sides do not fit its mirror image.

    Args:
        texts: of each photo, by its file name.
        views: how many there are; see ``Augmentation.of_view``.
    """
    sided = [tells_sides(own) for own in texts.values()]
    mirrored = [
        [view > 0 and Augmentation.of_view(Path(name), view).mirrored for view in range(views)] for name in texts
    ]
    fitting: npt.NDArray[np.bool_] = ~(np.array(sided)[:, None] & np.array(mirrored))
    return fitting


@dataclass(frozen=True, slots=True)
class AlignData:
    """Where the training data lies.

    Attributes:
        images: folder of photos.
        captions: caption file of each language; every photo has captions in the first one.
        train: file with the names of the training photos, one a line.
        dev: file with the names of the photos that are measured on.
        translations: CSV file with the columns image and those of languages: translated captions, for training only.
    """

    images: Path
    captions: Mapping[str, Path]
    train: Path
    dev: Path
    translations: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> AlignData:
        """The layout of Flickr8k.

        ``images/``, ``captions.txt``, ``train.txt``, ``dev.txt``; for Chinese also ``captions.zh.txt`` and, if there
        is one, ``parallel.en-zh.txt``.
        """
        captions = {"en": folder / "captions.txt"}
        if (chinese := folder / "captions.zh.txt").exists():
            captions["zh"] = chinese
        translations = folder / "parallel.en-zh.txt"
        return cls(
            folder / "images",
            captions,
            folder / "train.txt",
            folder / "dev.txt",
            translations if translations.exists() else None,
        )

    def read(self, split: Path, languages: Sequence[str], limit: int | None = None) -> dict[str, Texts]:
        """Captions of the photos of a split file, by name and language.

        Raises:
            InputError: photos of the split have no captions, or are not in the folder; or a language has no file.
        """
        names = read_split(split)
        said = {language: self._read(language) for language in languages}
        first, captions = languages[0], said[languages[0]]
        known = [name for name in names if name in captions]
        if len(known) < len(names):
            strange = next(name for name in names if name not in captions)
            raise InputError(
                f"{split}: {len(known)} of its {len(names)} photos have captions in {self.captions[first]}, "
                f"{strange!r} has none, while the captions name {next(iter(captions))!r}: make the names of both "
                "files alike"
            )
        for name in names[:limit]:
            if not (self.images / name).is_file():
                raise InputError(
                    f"{self.images / name}: no such photo, but {self.captions[first]} names it: put it there"
                )
        return {
            name: {language: said[language].get(name, ())[:CAPTIONS_PER_IMAGE] for language in languages}
            for name in names[:limit]
        }

    def read_translations(self, languages: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """Translated captions in all languages but the first, whose originals are captions; by name and language.

        Raises:
            InputError: the file has no column ``image``.
        """
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        if self.translations is None or len(languages) < 2:
            return found
        with self.translations.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if "image" not in (rows.fieldnames or ()):
                raise InputError(f"{self.translations}: has no column 'image': add a first line that names the columns")
            for row in rows:
                for language in languages[1:]:
                    if row.get(language):
                        found[row["image"]][language].append(row[language])
        return found

    def _read(self, language: str) -> Mapping[str, tuple[str, ...]]:
        if language not in self.captions:
            raise InputError(f"no captions in {language!r}: put captions.{language}.txt beside {self.captions['en']}")
        return read_captions(self.captions[language])


@dataclass(frozen=True, slots=True)
class Drawn:
    """Sentences of a batch in one language.

    Attributes:
        positives: which of the batch's images each of them describes [n, m]: all that have it among their captions.
        sentences: token ids of each.
    """

    positives: Tensor
    sentences: Sentences


@dataclass(frozen=True, slots=True)
class CaptionPairs:
    """Photos with their captions.

    Attributes:
        fitting: whether the captions fit a view [n, views]: one that tells sides does not fit a mirror image.
        sentences: for each language the captions of each photo; a photo may have none.
    """

    fitting: npt.NDArray[np.bool_]
    sentences: Mapping[str, Sequence[Sentences]]
    _said_of: Mapping[str, Mapping[tuple[int, ...], set[int]]] = field(init=False)

    def __post_init__(self) -> None:
        said_of = {language: _photos_of(sentences) for language, sentences in self.sentences.items()}
        object.__setattr__(self, "_said_of", said_of)

    def draw(self, photos: Photos, captions: int, draw: Draw) -> tuple[Tensor, dict[str, Drawn]]:
        """The number of one view of each of these photos, and so many of its captions in each language."""
        views = [draw.numpy.choice(np.flatnonzero(self.fitting[photo])) for photo in photos]
        drawn = {}
        for language, sentences in self.sentences.items():
            picked = [
                sentences[photo][draw.numpy.integers(len(sentences[photo]))]
                for photo in photos
                for _ in range(captions)
                if sentences[photo]
            ]
            places = {photo: place for place, photo in enumerate(photos.tolist())}
            positives = torch.zeros(len(photos), len(picked), dtype=torch.bool)
            for column, sentence in enumerate(picked):
                said_of = self._said_of[language][tuple(sentence)] & places.keys()
                positives[[places[photo] for photo in said_of], column] = True
            drawn[language] = Drawn(positives, picked)
        return torch.tensor(views), drawn


def _photos_of(sentences: Sequence[Sentences]) -> Mapping[tuple[int, ...], set[int]]:
    """Which photos have a sentence among their captions."""
    photos: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for photo, own in enumerate(sentences):
        for sentence in own:
            photos[tuple(sentence)].add(photo)
    return photos


@dataclass(frozen=True, slots=True)
class ClassPairs:
    """The CNN's classes with their names.

    Attributes:
        features: draws what photos of a class would have.
        sentences: for each class its names in each language that has some.
    """

    features: ClassFeatures
    sentences: Sequence[Sequence[Sentences]]

    def draw(self, count: int, draw: Draw) -> tuple[Tensor, Sentences]:
        """So many classes, each with one of its names in one of the languages."""
        classes = draw.numpy.choice(len(self.sentences), count, replace=False)
        spoken = [self.sentences[c][int(draw.numpy.integers(len(self.sentences[c])))] for c in classes]
        names = [named[int(draw.numpy.integers(len(named)))] for named in spoken]
        return self.features.draw(torch.from_numpy(classes), draw.torch), names

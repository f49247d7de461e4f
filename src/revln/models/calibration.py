"""Calibrated probabilities for cosines.

Cosines mean different things for different queries and modalities: a vague sentence is near to everything, and two
captions are nearer to each other than a caption and its photo. So a cosine is first measured against what unrelated
material would give the same query, as far as that helps in a bundle's space. Its mean and deviation follow from the
first two moments of background vectors, which the bundle carries. A logistic line for each pair of modalities makes the
result a probability.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from revln.errors import BundleError
from revln.metrics import Line, fit_line, lenient, sigmoid
from revln.models.bundle import BACKGROUND, Bundle
from revln.types import MODALITIES, Embedding, Modality

__all__ = ["BackgroundCalibration", "Moments", "Pair", "caption_line"]

Pair = tuple[Modality, Modality]  # asked, stored
_TEXT_TO_IMAGE: Pair = ("text", "image")
_SHARE = "background_share"
_SPREAD_FLOOR = 1e-4
_STRANGERS = 20
_ANSWERED = 0.97  # share of captions whose best photo is to count as a match


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """First two moments of background vectors.

    Attributes:
        mean: [dim].
        covariance: [dim, dim].
    """

    mean: Embedding
    covariance: Embedding

    @classmethod
    def of(cls, vectors: Embedding) -> Moments:
        """Moments of rows [n, dim]; few rows are helped by a share of an even spread."""
        covariance = np.cov(vectors, rowvar=False)
        share = min(0.5, 10.0 / len(vectors))
        even = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        return cls(
            vectors.mean(axis=0, dtype=np.float64).astype(np.float32),
            ((1 - share) * covariance + share * even).astype(np.float32),
        )

    def standardize(self, query: Embedding, scores: Embedding, share: float = 1.0) -> Embedding:
        """Cosines [n] to a query [dim], less the background's mean, over the root of the background's deviation.

        Whole deviations would make every query alike, those that no photo could answer among them: their cosines have
        hardly any spread, and are small. No deviation at all would hold it against a query that the background shows
        nothing of its kind. The root keeps half of either; measured by ``benchmarks/no_match.py``.

        Args:
            query: what the cosines are to.
            scores: the cosines.
            share: how much the background counts; 0 leaves the cosines as they are.
        """
        if share == 0:
            return np.asarray(scores, np.float32)
        above = (scores - share * (query @ self.mean)) / self.spread(query) ** (share / 2)
        return np.asarray(above, np.float32)

    def spread(self, query: Embedding) -> float:
        """Standard deviation of a query's cosines to the background."""
        # A text is zero beyond the part of the space that it shares with images; most of the product would be zeros.
        used = np.flatnonzero(query)
        extent = int(used[-1]) + 1 if len(used) else 1
        part = query[:extent]
        return float(np.sqrt(max(float(part @ self.covariance[:extent, :extent] @ part), _SPREAD_FLOOR**2)))


class BackgroundCalibration:
    """Probabilities from background moments and logistic lines.

    Args:
        moments: of the background vectors of each modality.
        lines: slope and intercept for each pair of modalities.
        share: how much the background counts for photos that a text asks for, see ``Moments.standardize``.
    """

    def __init__(self, moments: Mapping[Modality, Moments], lines: Mapping[Pair, Line], share: float = 1.0) -> None:
        self.moments = moments
        self.lines = lines
        self.share = share

    def probability(self, query: Embedding, scores: Embedding, asked: Modality, stored: Modality) -> Embedding:
        """Chance [n] that each cosine [n] to the query [dim] joins two things that belong together."""
        slope, intercept = self.lines[asked, stored]
        share = self.share if (asked, stored) == _TEXT_TO_IMAGE else 1.0
        standardized = self.moments[stored].standardize(query, scores, share).astype(np.float64)
        return sigmoid(slope * standardized + intercept).astype(np.float32)

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> BackgroundCalibration:
        """Reads what ``save`` and ``to_dict`` have put into a bundle.

        Raises:
            BundleError: it is missing or incomplete.
        """
        try:
            with np.load(bundle.file(BACKGROUND), allow_pickle=False) as arrays:
                moments = {
                    modality: Moments(
                        arrays[f"{modality}_mean"].astype(np.float32),
                        arrays[f"{modality}_covariance"].astype(np.float32),
                    )
                    for modality in MODALITIES
                }
            dim = bundle.card.dim
            if any(part.mean.shape != (dim,) or part.covariance.shape != (dim, dim) for part in moments.values()):
                raise ValueError(f"moments are not of {dim} dimensions")
            lines: dict[Pair, Line] = {}
            for asked in MODALITIES:
                for stored in MODALITIES:
                    slope, intercept = bundle.card.calibration[f"{asked}_to_{stored}"]
                    lines[asked, stored] = (float(slope), float(intercept))
            share = float(bundle.card.calibration.get(_SHARE, 1.0))
        except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(f"{bundle.directory}: its calibration is incomplete: export the bundle again") from error
        return cls(moments, lines, share)

    def save(self, directory: Path) -> None:
        """Writes the moments; half precision is more than their sampling error."""
        arrays: dict[str, npt.NDArray[np.floating]] = {}
        for modality, moments in self.moments.items():
            arrays[f"{modality}_mean"] = moments.mean
            arrays[f"{modality}_covariance"] = moments.covariance.astype(np.float16)
        np.savez_compressed(directory / BACKGROUND, allow_pickle=False, **arrays)

    def to_dict(self) -> dict[str, list[float] | float]:
        """The lines and the share, for the card."""
        lines: dict[str, list[float] | float] = {
            f"{asked}_to_{stored}": [round(slope, 4), round(intercept, 4)]
            for (asked, stored), (slope, intercept) in self.lines.items()
        }
        return lines | {_SHARE: self.share}

    @classmethod
    def fit(
        cls,
        images: Embedding,
        texts: Embedding,
        owners: npt.NDArray[np.int64],
        unrelated: Embedding,
        share: float = 1.0,
        telling: int | None = None,
    ) -> BackgroundCalibration:
        """Learns from photos, their captions, and sentences about other things.

        A probability answers "does this record belong to the query?" of records that a search has put first. So lines
        are fitted to best scores: captions among the photos against unrelated sentences among the photos, and so on.
        There are no unrelated photos; there, what agrees in its captions stands against what is drawn at random.

        Args:
            images: unit rows [n, dim] of photos that no training saw.
            texts: unit rows [m, dim] of their captions.
            owners: index [m] of the photo that each caption describes.
            unrelated: unit rows [u, dim] of sentences that fit none of the photos.
            share: how much the background is to count for photos that a text asks for.
            telling: so many of the captions, the first ones, tell which photos show much the same; all if not given.
                Short captions that many photos have in common would not.

        Raises:
            ValueError: there are too few of them to learn from: less than two photos, no photo with two captions, or
                no unrelated sentences.
        """
        moments: dict[Modality, Moments] = {"image": Moments.of(images), "text": Moments.of(texts)}
        own = owners[None, :] == np.arange(len(images))[:, None]
        siblings = own[owners] & ~np.eye(len(texts), dtype=bool)
        agreeing = _agreeing(texts[:telling], owners[:telling], own[:, :telling])
        answered = _best(texts, images, moments["image"], share=share)
        unanswered = _best(unrelated, images, moments["image"], share=share)
        lines: dict[Pair, Line] = {
            # Most of what people ask for is there, and a photo kept from them is worse than one too many.
            _TEXT_TO_IMAGE: lenient(fit_line(answered, unanswered), answered, _ANSWERED),
            ("text", "text"): fit_line(
                _best(texts, texts, moments["text"], siblings), _best(unrelated, texts, moments["text"])
            ),
            ("image", "text"): caption_line(images, texts, owners, moments["text"]),
            ("image", "image"): fit_line(
                _best(images, images, moments["image"], agreeing),
                _best(images, images, moments["image"], _few(~agreeing & ~np.eye(len(images), dtype=bool))),
            ),
        }
        return cls(moments, lines, share)


def caption_line(images: Embedding, texts: Embedding, owners: npt.NDArray[np.int64], moments: Moments) -> Line:
    """The line for texts that photos are asked for: each photo's own best caption against the best of some others'.

    Args:
        images: unit rows [n, dim].
        texts: unit rows [m, dim] of their captions.
        owners: index [m] of the photo that each caption describes.
        moments: of the texts' background.

    Raises:
        ValueError: no photo has a caption.
    """
    own = owners[None, :] == np.arange(len(images))[:, None]
    return fit_line(_best(images, texts, moments, own), _best(images, texts, moments, _few(~own)))


def _best(
    queries: Embedding,
    stored: Embedding,
    moments: Moments,
    allowed: npt.NDArray[np.bool_] | None = None,
    share: float = 1.0,
) -> Embedding:
    """Standardized best score [q] of each query that has any allowed [q, n] match."""
    scores = queries @ stored.T
    if allowed is not None:
        kept = allowed.any(axis=1)
        queries, scores = queries[kept], np.where(allowed[kept], scores[kept], -2.0)
    best = scores.max(axis=1)
    return np.array([moments.standardize(query, best[row], share) for row, query in enumerate(queries)])


def _few(allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """At most ``_STRANGERS`` of the allowed columns of each row, at random."""
    draw = np.where(allowed, np.random.default_rng(0).random(allowed.shape), 2.0)
    last = min(_STRANGERS, draw.shape[1]) - 1
    return allowed & (draw <= np.partition(draw, last, axis=1)[:, last : last + 1])


def _agreeing(texts: Embedding, owners: npt.NDArray[np.int64], own: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pairs [n, n] of photos that show much the same: those with the nearest captions, a photo in four having one."""
    agreement = np.where(own[owners], -2.0, texts @ texts.T)
    nearest, strength = agreement.argmax(axis=1), agreement.max(axis=1)
    strong = strength >= np.quantile(strength, 0.9)
    pairs = np.zeros((len(own), len(own)), dtype=bool)
    pairs[owners[strong], owners[nearest[strong]]] = True
    return pairs | pairs.T

"""The memory of joint training, seen by the retriever as it is at each moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from revln.text import pad
from revln.train.config import JointConfig
from revln.train.generator import Recalled, Seen
from revln.train.joint_data import JointData, Photos
from revln.train.joint_model import JointModel
from revln.train.loop import Draw
from revln.train.recall import candidates
from revln.train.text_encoders import Sentences

__all__ = ["Found", "TrainingMemory", "in_parts"]

Found = Mapping[str, npt.NDArray[np.int64]]  # by language the numbers of the texts in question [n, candidates]

_ROWS = 125  # photos at once


class TrainingMemory:
    """Recalls for the generator.

    Args:
        config: see ``JointConfig``.
        data: holds the texts.

    Attributes:
        texts: by language.
        pooled: features of the memory's photos [m, 1280], as the CNN gave them at the last ``refresh``.
    """

    def __init__(self, config: JointConfig, data: JointData) -> None:
        self.config, self.texts = config, dict(data.memory)
        self._first = data.train.views[0]
        self.pooled = self._first.pooled

    @torch.no_grad()
    def refresh(self, module: JointModel) -> None:
        """Looks at the photos with the CNN as it is now."""
        if self.config.vision_blocks:
            self.pooled = in_parts(module.top.pooled, self._first.inputs)

    @torch.inference_mode()
    def candidates(self, module: JointModel, photos: Photos, *, own: bool) -> Found:
        """Number of the captions in question for each photo.

        Args:
            module: the towers; in evaluation mode afterwards.
            photos: that are asked with.
            own: whether they are the memory's own, each of which does without what is known of itself.
        """
        module.eval()
        images = module.image(self.pooled)[0]
        asked = photos.views[0].inputs
        queries = images if own else in_parts(lambda maps: module.images(module.top.grid(maps)), asked)
        weights = module.generator.sharpness.exp()
        # Texts have no visual part, which a photo's vector has behind the shared one.
        visual = images.shape[1] - module.text.linear.out_features
        return {
            language: candidates(
                queries,
                images,
                F.pad(module.texts(texts.sentences[: texts.captions]), (0, visual)),
                texts.owners[: texts.captions],
                weights,
                self.config.candidates,
                range(len(queries)) if own else None,
            )
            for language, texts in self.texts.items()
        }

    def draw(
        self, photos: npt.NDArray[np.int64], found: npt.NDArray[np.int64] | None, draw: Draw
    ) -> npt.NDArray[np.int64]:
        """Numbers of the texts that each photo looks at in training [n, k], the best first; -1 for none."""
        config = self.config
        drawn = np.full((len(photos), config.recalled), -1)
        if found is None:
            return drawn
        for row, photo in enumerate(photos):
            if draw.numpy.random() < config.memory_share:
                places = np.sort(draw.numpy.choice(config.candidates, config.recalled, replace=False))
                drawn[row] = found[photo][places]
        return drawn

    def best(self, photos: npt.NDArray[np.int64], found: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
        """Numbers of the texts that photos look at once training is over [n, k]."""
        count = self.config.recalled
        return np.full((len(photos), count), -1) if found is None else found[photos, :count]

    def words(self, language: str, drawn: Sequence[int]) -> Sentences:
        """Token ids of texts; none for -1."""
        return [self.texts[language].words[place] if place >= 0 else [] for place in drawn]

    def recalled(
        self,
        module: JointModel,
        queries: Tensor,
        language: str,
        drawn: npt.NDArray[np.int64],
        words: Sequence[Sentences] | None = None,
        asked: Tensor | None = None,
    ) -> Recalled:
        """Texts as the generator looks at them.

        Args:
            module: the towers.
            queries: embeddings of the photos [n, dim + visual dim].
            language: of the texts.
            drawn: numbers of the texts [n, k]; -1 for none.
            words: stand in place of the texts' own.
            asked: what the text encoder says of the questions about the photos [n, width].
        """
        texts, rows = self.texts[language], torch.from_numpy(np.maximum(drawn, 0))
        words = [self.words(language, own) for own in drawn.tolist()] if words is None else words
        ids = torch.from_numpy(pad([sentence for own in words for sentence in own])[0])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.retriever == "trained"):
            owners = torch.from_numpy(texts.owners)[rows.flatten()]
            images = module.image(self.pooled[owners])[0].reshape(*rows.shape, -1)
            said = module.texts(texts.sentences[rows.flatten()]).reshape(*rows.shape, -1)
            shared = queries[:, None, : said.shape[-1]]
            seen, fitting = (queries[:, None] * images).sum(-1), (shared * said).sum(-1)
            about = torch.zeros_like(seen) if asked is None else (module.texts(asked)[:, None] * said).sum(-1)
            likenesses = torch.stack([seen, fitting, about], -1)
        return Recalled(ids.reshape(*rows.shape, -1), likenesses)

    @staticmethod
    def look(module: JointModel, grid: Tensor, queries: Tensor, recalled: Recalled) -> Seen:
        """Photos with what is recalled of them, for the generator.

        The photo's vector is detached: the retriever would be bent to what is useful to see rather than to find.
        """
        shared = queries[:, : module.text.linear.out_features].detach()
        return module.generator.look(grid.flatten(2).transpose(1, 2), F.normalize(shared, dim=-1), recalled)


def in_parts(encode: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """What is encoded of many inputs, some at a time."""
    return torch.cat([encode(inputs[start : start + _ROWS]) for start in range(0, len(inputs), _ROWS)])

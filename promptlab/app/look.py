"""What the page shows of a picture; nothing here knows how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.pictures.picture import open_picture
from promptlab.data.pictures.reading import Reading
from promptlab.evaluation.for_classes import for_classes
from promptlab.evaluation.predict import predict
from promptlab.evaluation.predicted import NONE
from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import require_preprocess
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.known_pictures import Known, known_pictures
from promptlab.own.nearest import nearest_pictures
from promptlab.saved.load import load_learner
from promptlab.support.errors import DatasetError, UsageError

MOST_NAMES, LONGEST_NAME = 1000, 200
"""Classes that can be asked for at once, and characters of a name."""
NEIGHBOURS = 6
SIDE = 160


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is said of a picture.

    Args:
        answer: the class, or ``none of these``, or what went wrong.
        probabilities: class to probability, by the learner's temperature; empty where something went wrong.
        neighbours: pictures that the learner knows, the nearest first, each with its class and cosine.
    """

    answer: str
    probabilities: dict[str, float]
    neighbours: tuple[tuple[Image.Image, str], ...] = ()


class Looker:
    """A learner with the pictures that it knows.

    Args:
        folder: of the learner.
        clip: its backbone; the one that its card names if None.
        bank: the feature cache; the usual one if None.

    Raises:
        CardError: if the learner can't be read.
        UsageError: if it scores all pictures together.
    """

    def __init__(self, folder: str | Path, clip: FrozenCLIP | None = None, bank: FeatureBank | None = None) -> None:
        self.learner: PromptLearner = load_learner(folder, clip)
        if self.learner.transductive:
            kind = type(self.learner).__name__
            raise UsageError(f"{kind} scores all test pictures together: it says nothing of a single one")
        self.known: Known = known_pictures(folder, self.learner, bank or FeatureBank())
        self._asked: PromptLearner = self.learner

    @property
    def takes_names(self) -> bool:
        """Whether other classes can be asked for."""
        return self.learner.open_vocabulary

    def look(self, file: str | None, names: str, threshold: float) -> Look:
        """What the learner says of a picture.

        Args:
            file: the picture; None for none yet.
            names: classes, one a line; the learner's own where it takes no others.
            threshold: the least probability of an answer in [0, 1].
        """
        if file is None:
            return Look(answer="", probabilities={})
        try:
            learner = self._over(names)
            predicted = predict(replaced(learner, threshold), [file])
            neighbours = self._neighbours(file)
        except (DatasetError, UsageError) as error:
            return Look(answer=str(error).replace(file, "the picture"), probabilities={})
        shares = dict(zip(predicted.class_names, predicted.probabilities[0].tolist(), strict=True))
        return Look(answer=predicted.names[0] or NONE, probabilities=shares, neighbours=neighbours)

    def _over(self, names: str) -> PromptLearner:
        """The learner over the classes that are asked for; the last one is kept."""
        asked = tuple(dict.fromkeys(name.strip() for name in names.splitlines() if name.strip()))
        if not self.takes_names or not asked:
            return self.learner
        if len(asked) > MOST_NAMES or max(map(len, asked)) > LONGEST_NAME:
            raise UsageError(f"at most {MOST_NAMES:,} classes of {LONGEST_NAME} characters can be asked for")
        if asked != self._asked.class_names:
            self._asked = for_classes(self.learner, asked)
        return self._asked

    def _neighbours(self, file: str) -> tuple[tuple[Image.Image, str], ...]:
        if not self.known.labels:
            return ()
        clip = self.learner.clip
        image = require_preprocess(clip)(open_picture(file, Reading(**self.learner.reading)))
        with torch.no_grad():
            feature = clip.encode_images(image[None].to(clip.device)).cpu()
        found = nearest_pictures(feature, self.known.features, self.known.labels, NEIGHBOURS)[0]
        return tuple((self._thumbnail(one.row), f"{one.label}, {one.similarity:.3f}") for one in found)

    def _thumbnail(self, row: int) -> Image.Image:
        picture = self.known.picture(row)
        picture.thumbnail((SIDE, SIDE))
        return picture


def replaced(learner: PromptLearner, threshold: float) -> PromptLearner:
    """A copy of a learner that answers from another threshold on; 0 answers always.

    Args:
        learner: any; it is left as it is.
        threshold: in [0, 1].

    Raises:
        UsageError: if it is out of range.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZeroShot(promptlab.load_clip("demo"), ["star", "ring"])
        >>> replaced(learner, 0.9).decision.threshold, learner.decision.threshold
        (0.9, None)
    """
    copied = learner.copied()
    copied.decision = replace(learner.decision, threshold=threshold or None)
    return copied


def own_names(learner: PromptLearner) -> Sequence[str]:
    """The classes that are first asked for: the learner's."""
    return learner.class_names

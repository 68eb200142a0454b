"""The pictures that a saved learner was adapted to, and those of classes that came later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from promptlab.data.items import Items
from promptlab.data.pictures.reading import Reading
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.adapted import ADAPTED_NAME, read_adapted
from promptlab.own.added import AddedClass, read_added
from promptlab.own.documented_pictures import found_pictures
from promptlab.support.arrays import IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """N pictures that a learner knows.

    Args:
        parts: them.
        labels: N names of their classes.
        features: (N, D), L2-normalised.
    """

    parts: tuple[Items, ...]
    labels: tuple[str, ...]
    features: Tensor

    def picture(self, row: int) -> Image.Image:
        """One of them.

        Args:
            row: its position.

        Raises:
            DatasetError: if it can't be read any more.
        """
        for items in self.parts:
            if row < len(items):
                return items.source.open(int(items.indices[row]))
            row -= len(items)
        raise IndexError(f"{row} pictures too far")


def pictures_of(folder: str | Path, reading: Reading) -> tuple[list[Items], list[str]]:
    """The pictures that an adapted folder knows, and the name of each one's class; see :func:`known_pictures`."""
    parts, names = list[Items](), list[str]()

    def take(base: Path, files: Sequence[str], ids: Sequence[str], labels: Sequence[str]) -> None:
        items, rows = found_pictures(base, files, ids, np.zeros(len(files), dtype=np.int64), reading)
        if len(items):
            parts.append(items)
            names.extend(labels[row] for row in rows.tolist())

    if (Path(folder) / ADAPTED_NAME).is_file():
        adapted = read_adapted(folder)
        given = adapted.pictures
        ids = [one.content_id for one in given]
        take(Path(adapted.root), [one.file for one in given], ids, [adapted.class_names[one.label] for one in given])
    for added in read_added(folder).classes:
        items, _ = pictures_of_added(added, reading, 0)
        if len(items):
            parts.append(items)
            names.extend([added.name] * len(items))
    return parts, names


def pictures_of_added(added: AddedClass, reading: Reading, label: int) -> tuple[Items, IntArray]:
    """The pictures of a class that came later, as far as they are what they were, and which of them these are.

    Args:
        added: the class.
        reading: how pictures are read.
        label: theirs.
    """
    files = [Path(file) for file in added.files]
    root = Path(files[0].anchor) if files else Path()
    relative = [file.relative_to(root).as_posix() for file in files]
    return found_pictures(root, relative, added.content_ids, np.full(len(files), label, dtype=np.int64), reading)


def known_pictures(folder: str | Path, learner: PromptLearner, bank: FeatureBank) -> Known:
    """The pictures of a folder that ``promptlab adapt`` left, as far as their files are what they were.

    Args:
        folder: of the learner; of any other folder, none.
        learner: of that folder.
        bank: the feature cache.

    Raises:
        AdaptedError: if ``adapted.json`` is damaged.
        AddedError: if ``added.json`` is damaged.
    """
    parts, names = pictures_of(folder, Reading(**learner.reading))
    features = [bank.features(learner.clip, items) for items in parts]
    return Known(
        parts=tuple(parts),
        labels=tuple(names),
        features=torch.cat([torch.zeros(0, learner.clip.dim), *features]),
    )

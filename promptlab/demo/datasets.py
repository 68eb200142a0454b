"""The demo's datasets: drawn on the fly, the same bytes everywhere, nothing to download."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated

import numpy as np
from annotated_types import Predicate, doc
from PIL import Image

from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.data.items import Dataset, Items
from promptlab.demo.captions import noun
from promptlab.demo.scenes import Corner, dataset_picture
from promptlab.demo.world import SURFACE, Picture, render
from promptlab.support.arrays import ByteArray, IntArray
from promptlab.support.random_streams import picture_stream
from promptlab.support.ranges import checked

PER_CLASS = {"train": 32, "val": 16, "test": 60}

SHAPES: tuple[tuple[str, str, str], ...] = (
    # base
    ("red", "striped", "star"),
    ("red", "dotted", "star"),
    ("blue", "striped", "circle"),
    ("blue", "checkered", "circle"),
    ("green", "solid", "heart"),
    ("green", "dotted", "moon"),
    ("yellow", "zigzag", "square"),
    ("orange", "zigzag", "square"),
    ("purple", "plaid", "ring"),
    ("purple", "checkered", "hexagon"),
    ("pink", "solid", "arrow"),
    ("white", "striped", "cross"),
    # new
    ("red", "striped", "heart"),
    ("orange", "dotted", "star"),
    ("blue", "plaid", "moon"),
    ("blue", "solid", "cross"),
    ("green", "checkered", "triangle"),
    ("green", "zigzag", "circle"),
    ("yellow", "dotted", "ring"),
    ("yellow", "solid", "arrow"),
    ("purple", "striped", "triangle"),
    ("pink", "plaid", "square"),
    ("white", "checkered", "hexagon"),
    ("white", "dotted", "moon"),
)
TEXTURES: tuple[tuple[str, str], ...] = (
    ("red", "striped"),
    ("red", "brick"),
    ("green", "zigzag"),
    ("green", "woven"),
    ("blue", "dotted"),
    ("blue", "spotted"),
    ("yellow", "checkered"),
    ("yellow", "speckled"),
    ("purple", "plaid"),
    ("purple", "ringed"),
    ("orange", "radial"),
    ("pink", "striped"),
)
CORNERS: dict[str, Corner] = {
    "demo_shapes": "plain",
    "demo_shapes_sketch": "sketch",
    "demo_shapes_noise": "noise",
    "demo_shapes_dark": "dark",
    "demo_textures": "plain",
}


class RenderedImages:
    """Pictures drawn when they are first asked for."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._pictures = tuple(pictures)
        self._drawn: dict[int, ByteArray] = {}  # 3 KB each

    def __len__(self) -> int:
        return len(self._pictures)

    def open(self, index: int) -> Image.Image:
        """The picture, 32x32 RGB."""
        if index not in self._drawn:
            self._drawn[index] = render(self._pictures[index])
        return Image.fromarray(self._drawn[index])

    def describe(self, index: int) -> str:
        """What is drawn."""
        return str(self._pictures[index])

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Ids that follow from what is drawn and the world's version."""
        return [self._ids[int(index)] for index in indices]

    @cached_property
    def _ids(self) -> list[str]:
        """Asked for in every run of a sweep, so made once."""
        return [picture.content_id() for picture in self._pictures]


@checked()
@lru_cache(len(CORNERS))
def demo_dataset(name: Annotated[str, Predicate(CORNERS.__contains__), doc(f"one of {', '.join(CORNERS)}")]) -> Dataset:
    """One of the demo's datasets.

    Args:
        name: ``demo_shapes``, its shifted versions ``demo_shapes_sketch``, ``demo_shapes_noise`` and
            ``demo_shapes_dark``, or ``demo_textures``.

    Raises:
        ValueError: for another name.

    Example:
        >>> demo_dataset("demo_shapes").class_names[:2]
        ('red striped star', 'red dotted star')
    """
    subjects = _subjects(name)
    pictures: list[Picture] = []
    labels_of: dict[str, IntArray] = {}
    for split, count in PER_CLASS.items():
        random = picture_stream(name, split)
        labels = np.repeat(np.arange(len(subjects)), count)
        pictures += [dataset_picture(subjects[label], CORNERS[name], random) for label in labels]
        labels_of[split] = labels
    source = RenderedImages(pictures)
    ids = source.content_ids(range(len(pictures)))
    starts = np.cumsum([0, *(len(labels) for labels in labels_of.values())])
    items = {
        split: Items(source, start + np.arange(len(labels)), labels)
        for start, (split, labels) in zip(starts, labels_of.items(), strict=False)
    }
    return Dataset(
        name=name,
        class_names=tuple(
            noun(Picture(subject["shape"], subject["colour"], subject["texture"])) for subject in subjects
        ),
        template=DEFAULT_TEMPLATE,
        train=items["train"],
        val=items["val"],
        test=items["test"],
        split_source="demo",
        split_hash=hashlib.sha256("".join(ids).encode()).hexdigest()[:16],
    )


def _subjects(name: str) -> list[Mapping[str, str]]:
    if name == "demo_textures":
        return [{"shape": SURFACE, "colour": colour, "texture": texture} for colour, texture in TEXTURES]
    return [{"shape": shape, "colour": colour, "texture": texture} for colour, texture, shape in SHAPES]

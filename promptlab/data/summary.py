"""What a dataset is, in a few lines for people: counts, where classes come from, prompts as they will be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from promptlab.data.items import SPLITS, Dataset
from promptlab.support.words import printable, shortened

_CLASSES, _TARGETS, _NOTES = 4, 2, 2
_WIDEST = 240


def summary(dataset: Dataset, targets: Sequence[Dataset] = (), *, notes: bool = True) -> list[str]:
    """At most ten lines: how many classes and images, the first classes with their prompts, what is to be known.

    Args:
        dataset: any.
        targets: other datasets that are scored, as they are scored: a line for each of the first.
        notes: also the first of the dataset's notes.

    Example:
        >>> from promptlab.demo import demo_dataset
        >>> for line in summary(demo_dataset("demo_textures"))[:2]:
        ...     print(line)
        demo_textures: 12 classes, 1,296 images: 384 train, 192 val, 720 test; split: demo
          red striped pattern: 32 train, 16 val, 60 test; "a photo of a red striped pattern."
    """
    counts = {split: len(getattr(dataset, split)) for split in SPLITS}
    images = counts["train"] + counts["test"] + counts["val"] * (not dataset.val_is_test)
    lines = [f"{dataset.name}: {len(dataset.class_names):,} classes, {images:,} images: {_counted(counts)}; "
             f"split: {dataset.split_source}"]  # fmt: skip
    if dataset.drawn:
        lines.append("  a draw chose the test images, as no list or folder does: dataset.test=all scores all images")
    shown = _CLASSES // 2 if targets else _CLASSES
    more = len(dataset.class_names) - shown
    lines += _of_classes(dataset, shown) + ([f"  and {more:,} more classes"] if more > 0 else [])
    said = [f"target {target.name}: {len(target.test):,} images of {len(target.class_names):,} classes; "
            f"split: {target.split_source}" for target in targets]  # fmt: skip
    lines += shortened(said, _TARGETS)
    lines += [f"  {note}" for note in (shortened(dataset.notes, _NOTES - bool(targets)) if notes else ())]
    return [printable(line if len(line) <= _WIDEST else f"{line[:_WIDEST]}...") for line in lines]


def _of_classes(dataset: Dataset, shown: int) -> list[str]:
    """For each of the first classes its images, what it was read from if that has another name, and its prompt."""
    n_classes = len(dataset.class_names)
    per_split = {split: np.bincount(getattr(dataset, split).labels, minlength=n_classes) for split in SPLITS}
    lines = []
    for label, name in enumerate(dataset.class_names[:shown]):
        origin = dataset.class_origins[label] if dataset.class_origins else name
        read_from = f" (from {origin})" if origin != name else ""
        counted = _counted({split: int(per_split[split][label]) for split in SPLITS})
        prompt = dataset.template.format(name.replace("_", " "))
        lines.append(f'  {name}{read_from}: {counted}; "{prompt}"')
    return lines


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in counts.items() if count) or "none"

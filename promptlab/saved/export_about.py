"""What a program without promptlab has to know of an exported learner: how pictures are prepared, answers made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from promptlab.clip.frozen import FrozenCLIP
from promptlab.features.transforms import require_preprocess
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.errors import PromptlabError, UsageError
from promptlab.support.signatures import path_of
from promptlab.support.version import __version__


class ExportError(PromptlabError, ValueError):
    """A learner that can't be exported in the form that is wanted; the message says why, and what can be done."""


class ExportRefusedError(ExportError, UsageError):
    """What was asked for can't be exported, whatever comes of trying: the wrong form, or nothing to hold it against."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From a picture to the input (3, H, W) of an exported learner.

    Args:
        size: H and W, in pixels.
        resize: what is resized: the ``shortest_side``, or ``both`` sides, to how many pixels; None if nothing is.
        interpolation: of the resizing, as Pillow calls it.
        antialias: whether it averages where it makes smaller; Pillow's own does.
        crop: ``centre`` where a square is cut out of the middle, else None.
        mean: per channel (RGB), of pixels from 0 to 1; subtracted.
        std: per channel, of pixels from 0 to 1; divided by.
        steps: all of it as torchvision says it, in order.
    """

    size: int
    resize: tuple[str, int] | None
    interpolation: str | None
    antialias: bool
    crop: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    steps: tuple[str, ...]


def preprocessing_of(clip: FrozenCLIP) -> Preprocessing:
    """How a backbone's evaluation transform prepares pictures.

    Raises:
        ValueError: if it has none, or one without a mean and a standard deviation.

    Example:
        >>> import promptlab
        >>> found = preprocessing_of(promptlab.load_clip("demo"))
        >>> found.size, found.resize, found.interpolation, found.crop
        (32, ('shortest_side', 32), 'bicubic', 'centre')
    """
    steps: Sequence[Any] = getattr(require_preprocess(clip), "transforms", ())
    resizing = next((step for step in steps if hasattr(step, "interpolation")), None)
    resize = None if resizing is None else _resized(resizing.size)
    return Preprocessing(
        size=clip.image_size,
        resize=resize,
        interpolation=None
        if resizing is None
        else str(getattr(resizing.interpolation, "value", resizing.interpolation)),
        antialias=bool(getattr(resizing, "antialias", True)),
        crop="centre" if any(type(step).__name__.startswith("CenterCrop") for step in steps) else None,
        mean=clip.image_mean,
        std=clip.image_std,
        steps=tuple(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(step)) for step in steps),
    )


def about(learner: PromptLearner) -> dict[str, Any]:
    """What goes into the metadata of every export, as plain values.

    Example:
        >>> import promptlab
        >>> about(promptlab.ZeroShot(promptlab.load_clip("demo"), ["ring", "star"]))["class_names"]
        ['ring', 'star']
    """
    clip, decision = learner.clip, learner.decision
    return {
        "promptlab": __version__,
        "learner": path_of(type(learner)),
        "backbone": {"name": clip.name, "fingerprint": clip.fingerprint},
        "class_names": list(learner.class_names),
        "decision": {**asdict(decision), "others": list(decision.others)},
        "preprocessing": asdict(preprocessing_of(clip)),
        "reading": dict(learner.reading),
    }


def require_fixed(learner: PromptLearner) -> None:
    """Refuse a learner whose logits of a picture are no function of its pixels that stays.

    Raises:
        ExportRefusedError: with the reason.
    """
    name = type(learner).__name__
    if learner.transductive:
        raise ExportRefusedError(
            f"{name} scores all test images together, so no exported program can answer as it does: score Items with "
            "promptlab.evaluate"
        )
    if learner.test_time:
        why = "adapts to each picture by gradients"
    elif learner.test_views:
        why = f"scores {learner.test_views} random views of each picture together"
    else:
        return
    raise ExportRefusedError(
        f"{name} {why}, so no exported program can answer as it does: score with promptlab.predict"
    )


def _resized(size: Any) -> tuple[str, int]:
    """What a step that resizes makes how long."""
    if isinstance(size, int):
        return "shortest_side", size
    return ("both" if len(size) == 2 else "shortest_side"), int(size[0])

"""Which learners ``promptlab bench`` times against themselves over plain towers; an entry each, and no import of torch.

An entry says with what arguments a learner is made, how many images its paper's step sees, how many times faster its
step is to be, and what the authors' step computes besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TEXT_GOAL, BOTH_GOAL = 15.0, 3.0
"""Times faster: of learners of the text side, and of those that train the image tower too."""


@dataclass(frozen=True)
class Recipe:
    """How a learner is timed.

    Args:
        learner: its class in :mod:`promptlab.learners`.
        goal: times faster that its step is to be, at 100 classes on ViT-B/16.
        batch: images of a step; of a learner that adapts to each test image its views.
        arguments: what it is made with; where that depends on the number of layers of both towers, a function of it.
        inner: class of the learner inside.
        image_passes: passes of the batch through the plain image tower that the authors' step has besides.
        note: what a reader must know.
    """

    learner: str
    goal: float | None = TEXT_GOAL
    batch: int = 32
    arguments: Mapping[str, Any] | Callable[[int], Mapping[str, Any]] = field(default_factory=dict)
    inner: str | None = None
    image_passes: int = 0
    note: str = ""

    def made_with(self, layers: int) -> Mapping[str, Any]:
        """The arguments on towers of which the lower has so many layers."""
        return self.arguments(layers) if callable(self.arguments) else self.arguments


def _ninth(*names: str) -> Callable[[int], Mapping[str, Any]]:
    """Depths of nine layers, or all but the last of fewer."""
    return lambda layers: dict.fromkeys(names, min(9, layers - 1))


def _sixth(layers: int) -> Mapping[str, Any]:
    """Tokens from the sixth layer of twelve to the last; elsewhere likewise."""
    return {"first_layer": max(2, layers // 2), "last_layer": layers}


def _sixth_kept(layers: int) -> Mapping[str, Any]:
    """The same with kept states."""
    return {**_sixth(layers), "keep_states": "fp32"}


_PROMPT_DEPTHS = _ninth("prompt_depth_text", "prompt_depth_vision")
RECIPES: Mapping[str, Recipe] = {
    "coop": Recipe("CoOp", arguments={"n_ctx": 16}),
    "cocoop": Recipe("CoCoOp", batch=1, note="the plain side loops over images"),
    "kgcoop": Recipe("KgCoOp", batch=128),
    "prograd": Recipe(
        "ProGrad", arguments={"template": "a photo of a {}."}, image_passes=1,
        note="the authors' teacher is a second CLIP, which encodes the images again",
    ),
    "tcp": Recipe("TCP", arguments=_ninth("layer")),
    "dept": Recipe("DePT", inner="CoOp"),
    "maple": Recipe("MaPLe", BOTH_GOAL, 4, _ninth("depth")),
    "ivlp": Recipe("IVLP", BOTH_GOAL, 4, _PROMPT_DEPTHS),
    "promptsrc": Recipe("PromptSRC", BOTH_GOAL, 4, _PROMPT_DEPTHS),
    "mmrl": Recipe("MMRL", BOTH_GOAL, 4, _sixth),
    "mmrl_pp": Recipe("MMRLPlusPlus", BOTH_GOAL, 4, _sixth),
    "mmrl_kept": Recipe("MMRL", BOTH_GOAL, 4, _sixth_kept, note="promptlab keeps what lies below the tokens"),
    "clip_lora": Recipe("CLIPLoRA", BOTH_GOAL, 32, {"dropout": 0.0}, note="without dropout, so that both sides agree"),
    "vpt": Recipe(
        "VPT", None, 4, lambda layers: {"prompt_depth_vision": layers}, note="its text is constant on both sides"
    ),
}  # fmt: skip
"""By the name that ``learner=`` has for it."""

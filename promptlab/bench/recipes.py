"""Which learners ``promptlab bench`` times against themselves over plain towers; an entry each, and no import of torch.

An entry says with what arguments a learner is made, how many images its paper's step sees, how many times faster its
step is to be, and what the authors' step computes besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TEXT_GOAL, TEST_TIME_GOAL, BOTH_GOAL = 15.0, 10.0, 3.0
"""Times faster: of learners of the text side, of those that tune it for each test image, and of those whose steps run
the image tower too."""


@dataclass(frozen=True)
class Recipe:
    """How a learner is timed.

    Args:
        learner: its class in :mod:`promptlab.learners`.
        goal: times faster that its step is to be, at 100 classes on ViT-B/16.
        batch: images of a step; of a learner that adapts to each test image its views.
        arguments: what it is made with; where that depends on the number of layers of both towers, a function of it.
        inner: the learner inside.
        teacher: with what a PromptSRC is made that teaches, on the same backbone, by the number of layers.
        unmoved: parameters whose gradient is zero but for rounding, which can't be compared.
        image_passes: passes of the batch through the plain image tower that the authors' step has besides.
        note: what a reader must know.
    """

    learner: str
    goal: float | None = TEXT_GOAL
    batch: int = 32
    arguments: Mapping[str, Any] | Callable[[int], Mapping[str, Any]] = field(default_factory=dict)
    inner: Recipe | None = None
    teacher: Callable[[int], Mapping[str, Any]] | None = None
    unmoved: tuple[str, ...] = ()
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
    "dept": Recipe("DePT", inner=Recipe("CoOp")),
    "atprompt": Recipe(
        "ATPrompt", arguments={"attributes": ["color", "shape"]}, inner=Recipe("CoOp", arguments={"n_ctx": 2})
    ),
    "tpt": Recipe(
        "TPT", TEST_TIME_GOAL, 64,
        note="the authors encode the context that images start from for each of them; promptlab once for all",
    ),
    "maple": Recipe("MaPLe", BOTH_GOAL, 4, _ninth("depth")),
    "ivlp": Recipe("IVLP", BOTH_GOAL, 4, _PROMPT_DEPTHS),
    "promptsrc": Recipe("PromptSRC", BOTH_GOAL, 4, _PROMPT_DEPTHS),
    "mmrl": Recipe("MMRL", BOTH_GOAL, 4, _sixth),
    "mmrl_pp": Recipe("MMRLPlusPlus", BOTH_GOAL, 4, _sixth),
    "mmrl_kept": Recipe("MMRL", BOTH_GOAL, 4, _sixth_kept, note="promptlab keeps what lies below the tokens"),
    "clip_lora": Recipe("CLIPLoRA", BOTH_GOAL, 32, {"dropout": 0.0}, note="without dropout, so that both sides agree"),
    "coprompt": Recipe("CoPrompt", BOTH_GOAL, 4, _ninth("depth")),
    "plot": Recipe(
        "PLOT", BOTH_GOAL, 32, note="the authors' batch is 128, and the image tower as much work on both sides"
    ),
    "promptkd": Recipe(
        "PromptKD", BOTH_GOAL, 8, _ninth("prompt_depth_vision"), teacher=_PROMPT_DEPTHS,
        unmoved=("projector.0.bias",),  # a batch norm behind it takes its own mean away
        note="PromptSRC teaches on the same backbone, with the authors on a ViT-L/14, whose texts each step encodes",
    ),
    "vpt": Recipe(
        "VPT", None, 4, lambda layers: {"prompt_depth_vision": layers}, note="its text is constant on both sides"
    ),
}  # fmt: skip
"""By the name that ``learner=`` has for it."""

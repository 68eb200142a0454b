"""MaPLe: learned prompts in both towers, the image tower's made from the text tower's.

Paper: MaPLe: Multi-modal Prompt Learning, https://arxiv.org/abs/2210.03117; code:
muzairkhattak/multimodal-prompt-learning.
What is learned: M context vectors, M more for each deeper layer that gets prompts, and a linear map for each of these
layers from the text prompts to those of the image tower.
Where promptlab departs: all that is learned is fp32 and starts from this learner's own generator (the authors' is fp16
and drawn from the global one); text encoding skips the work that can't change the answer.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Interval
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.image_side import ImageSideLearner
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.sides import Sides
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.starting_context import ContextLength, ContextWords, starting_context


class MaPLe(ImageSideLearner):
    """Prompts in the first ``depth`` layers of both towers, trained by cross-entropy on images.

    The text prompt of a class is ``[SOS, context 1..M, rest of ctx_init, name, '.', EOT]``. Below V is the width of the
    image tower.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, prompt vectors per layer; with ``ctx_init`` its first M words, which must be one token each, and the
            number of its tokens if None.
        ctx_init: words to start from; those beyond M stay fixed in front of the class name. None draws from N(0, 0.02).
        depth: layers with prompts, from the first; 1 prompts the inputs alone.
        optim: optimiser and schedule; 5 epochs in batches of 4 at learning rate 0.0035, as the paper, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take prompts.
        ValueError: for a depth that the towers don't have, no context, an ``n_ctx`` that doesn't fit ``ctx_init``, or a
            prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.MaPLe(clip, ["red circle", "blue star"], depth=3)
        >>> learner.needs
        'images'
    """

    open_vocabulary = True
    per_class = ("prompts",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength | None = 2,
        ctx_init: ContextWords | None = "a photo of a",
        depth: Annotated[int, Interval(ge=1, le=100)] = 9,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        _require_layers(clip, depth)
        generator = generator or torch.Generator().manual_seed(0)
        words = (ctx_init or "").replace("_", " ").split()
        start = starting_context(clip, " ".join(words[:n_ctx]), n_ctx, default=2, generator=generator)
        deeper = range(depth - 1)
        self.optim = optim or Optim(lr=0.0035, batch_size=4, epochs=5, warmup_epochs=1)
        self.ctx = nn.Parameter(start)  # (M, E)
        self.deep_ctx = nn.ParameterList(0.02 * torch.randn(start.shape, generator=generator) for _ in deeper)
        self.projection = linear(clip.width, clip.vision_width, generator)
        one = linear(clip.width, clip.vision_width, generator)
        self.deep_projections = nn.ModuleList(copy.deepcopy(one) for _ in deeper)
        self.to(clip.device)
        self.prompts = ClassPrompts(clip, class_names, n_ctx=len(start), words=" ".join(words[len(start) :]))

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse more vectors in a layer than words to start from, which are a vector each."""
        n_ctx, words = arguments.get("n_ctx"), (arguments.get("ctx_init") or "").replace("_", " ").split()
        if words and n_ctx is not None and n_ctx > len(words):
            raise ValueError(f"n_ctx={n_ctx}, but ctx_init={' '.join(words)!r} has {len(words)} words: give more of "
                             "them, or none (null)")  # fmt: skip

    def scorer(self) -> Scorer:
        """The classifier with the text side and the image prompts computed once."""
        with torch.no_grad():
            classify, prompts = self.clip.classifier(self.text_features()), self.image_prompts()
        return lambda images: classify(self.image_features(images, prompts))

    def image_features(
        self, images: Tensor, prompts: Mapping[int, Tensor] | None = None, *, normalised: bool = True
    ) -> Tensor:
        """(B, D) of images (B, 3, H, W), L2-normalised or not, with the image prompts made now or those given."""
        return self.clip.encode_images(images, prompts or self.image_prompts(), normalised=normalised)

    def text_features(self, *, normalised: bool = True) -> Tensor:
        """(C, D) L2-normalised, or of the length that the text tower gives them."""
        return self.prompts.encode(self.ctx, deep=dict(enumerate(self.deep_ctx, start=1)), normalised=normalised)

    def sides(self, inputs: Tensor) -> Sides:
        """Features (B, D) of images (B, 3, H, W) and text features (C, D), both of prompted towers."""
        return Sides(self.image_features(inputs, normalised=False), self.text_features(normalised=False))

    def image_prompts(self) -> dict[int, Tensor]:
        """What the image tower gets, layer to (M, V)."""
        contexts, projections = [self.ctx, *self.deep_ctx], [self.projection, *self.deep_projections]
        return {i: project(ctx) for i, (project, ctx) in enumerate(zip(projections, contexts, strict=True))}

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        names = {"ctx": "prompt_learner.ctx"}
        maps = {"projection": "prompt_learner.proj"}
        for i in range(len(self.deep_ctx)):
            names[f"deep_ctx.{i}"] = f"prompt_learner.compound_prompts_text.{i}"
            maps[f"deep_projections.{i}"] = f"prompt_learner.compound_prompt_projections.{i}"
        parts = ("weight", "bias")
        return names | {f"{own}.{part}": f"{theirs}.{part}" for own, theirs in maps.items() for part in parts}

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over all prompts and projections."""
        return [GradientStage("prompts", list(self.parameters()), self.loss, self.optim)]


def _require_layers(clip: FrozenCLIP, depth: int) -> None:
    most = min(clip.text_layers, clip.vision_layers)
    if depth > most:
        raise ValueError(
            f"depth={depth}: from 1 to {most} layers can have prompts, as {clip.name} has {clip.text_layers} text "
            f"layers and {clip.vision_layers} image layers"
        )

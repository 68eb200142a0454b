"""CLIP-Adapter: a small network on the image feature, mixed with the feature itself.

Paper: CLIP-Adapter: Better Vision-Language Models with Feature Adapters, https://arxiv.org/abs/2110.04544; code:
gaopengcuhk/CLIP-Adapter.
What is learned: two linear maps, D to D/4 and back, without bias.
Where promptlab departs: the adapter starts from this learner's own generator, and reads L2-normalised features. The
authors' reads them as the image tower gives them, which is the same function of its weights: without biases
A(s x) = s A(x) for every s > 0, and the mixture is normalised afterwards. The paper searches the ratio for each
dataset; the authors' code fixes it at 0.2, and so does promptlab.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates


class CLIPAdapter(ReadsTexts, TextSideLearner):
    """Zero-shot CLIP's classifier on ``ratio * A(x) + (1 - ratio) * x``, normalised.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        ratio: share of the adapter in the feature, 0 to 1; 0 is zero-shot.
        reduction: the hidden width is D divided by this, rounded down.
        optim: optimiser and schedule; CoOp's, as the authors' code trains it, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for a ratio outside of 0 to 1, a reduction outside of 1 to D, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.CLIPAdapter(clip, ["red circle", "blue star"])
        >>> learner(clip.encode_texts(["a blue star"])).shape  # (B, C)
        torch.Size([1, 2])
    """

    open_vocabulary = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        ratio: Annotated[float, Interval(ge=0, le=1)] = 0.2,
        reduction: Annotated[int, Interval(ge=1, le=65_536)] = 4,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        if reduction > clip.dim:
            raise ValueError(f"reduction={reduction}: a whole number from 1 to D={clip.dim} is needed")
        generator = generator or torch.Generator().manual_seed(0)
        self.ratio, self.optim = ratio, optim or Optim()
        hidden = clip.dim // reduction
        self.adapter = nn.Sequential(
            linear(clip.dim, hidden, generator, bias=False, device=clip.device),
            nn.ReLU(),
            linear(hidden, clip.dim, generator, bias=False, device=clip.device),
            nn.ReLU(),
        )
        self.read_texts(template, templates, prompts)

    def adapted(self, image_features: Tensor) -> Tensor:
        """Image features (B, D) after the adapter: (B, D) L2-normalised."""
        return F.normalize(self.ratio * self.adapter(image_features) + (1 - self.ratio) * image_features, dim=-1)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return super().forward(self.adapted(image_features))

    def scorer(self) -> Scorer:
        """The adapter, then the classifier of the hand-written prompts."""
        classify = super().scorer()
        return lambda image_features: classify(self.adapted(image_features))

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        return {f"adapter.{layer}.weight": f"fc.{layer}.weight" for layer in (0, 2)}

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the adapter."""
        return [GradientStage("adapter", list(self.adapter.parameters()), self.loss, self.optim)]

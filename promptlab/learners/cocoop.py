"""CoCoOp: CoOp's context, moved by what each image shows.

Paper: Conditional Prompt Learning for Vision-Language Models, https://arxiv.org/abs/2203.05557; code: KaiyangZhou/CoOp.
What is learned: M context vectors, and a small network from the image feature to one vector added to each of them.
Where promptlab departs: all that is learned is fp32 and starts from this learner's own generator, and the prompts of a
batch are encoded together instead of image by image, so any batch size gives what the loop gives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.sides import Sides
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.starting_context import ContextLength, ContextWords, check_context, starting_context


class CoCoOp(PromptLearner):
    """Context vectors in front of the class name, plus a meta-network's answer to the image feature.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, context vectors; 4, or with ``ctx_init`` the number of its tokens, if None.
        ctx_init: words to start from; None draws from N(0, 0.02).
        optim: optimiser and schedule; 10 epochs of single images, as the paper, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for no context, an ``n_ctx`` that isn't the number of tokens of ``ctx_init``, or a prompt longer
            than the context length.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.CoCoOp(clip, ["red circle", "blue star"])
        >>> learner(clip.encode_texts(["a red circle", "a blue star", "a tree"])).shape  # (B, C)
        torch.Size([3, 2])
    """

    open_vocabulary = True
    per_class = ("prompts",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength | None = None,
        ctx_init: ContextWords | None = "a photo of a",
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        generator = generator or torch.Generator().manual_seed(0)
        self.optim = optim or Optim(epochs=10, batch_size=1)
        self.ctx = nn.Parameter(starting_context(clip, ctx_init, n_ctx, default=4, generator=generator))  # (M, E)
        hidden = clip.dim // 16
        layers = {
            "linear1": linear(clip.dim, hidden, generator, device=clip.device),
            "relu": nn.ReLU(),
            "linear2": linear(hidden, clip.width, generator, device=clip.device),
        }
        self.meta_net = nn.Sequential(OrderedDict(layers))
        self.prompts = ClassPrompts(clip, self.class_names, n_ctx=len(self.ctx))

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse fewer context vectors than words to start from."""
        check_context(arguments)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        contexts = self._contexts(image_features)
        return self.clip.as_logits(self.prompts.encode_for_images(contexts, queries=image_features))

    def sides(self, inputs: Tensor) -> Sides:
        """Image features (B, D) as they are given, text features (B, C, D) of each image's own prompts."""
        contexts = self._contexts(F.normalize(inputs, dim=-1))
        return Sides(inputs, self.prompts.encode_for_images(contexts, normalised=False))

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        return {name: f"prompt_learner.{name}" for name, _ in self.named_parameters()}

    def _contexts(self, image_features: Tensor) -> Tensor:
        """(B, M, E)."""
        moved: Tensor = self.meta_net(image_features).float().unsqueeze(1)
        return self.ctx + moved

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the context and the meta-network."""
        return [GradientStage("context", [self.ctx, *self.meta_net.parameters()], self.loss, self.optim)]

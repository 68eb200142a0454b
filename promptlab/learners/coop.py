"""CoOp: learn the context of the class prompt.

Paper: Learning to Prompt for Vision-Language Models, https://arxiv.org/abs/2109.01134; code: KaiyangZhou/CoOp.
What is learned: M context vectors, shared by all classes or one set per class.
Where promptlab departs: the context is fp32 and starts from this learner's own generator (the authors' is fp16 and
drawn after CLIP's constructor consumed the global one); an initialisation text may have more tokens than words; text
encoding skips the work that can't change the answer. With words and class-specific contexts each class starts from the
words (the authors' code drops the class-specific contexts silently).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.sides import Sides
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_prompts import ClassPrompts, Position
from promptlab.prompts.starting_context import ContextLength, ContextWords, check_context, starting_context


class CoOp(TextSideLearner):
    """Context vectors in front of, around or behind the class name, trained by cross-entropy.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, context vectors; 16, or with ``ctx_init`` the number of its tokens, if None.
        ctx_init: words to start from, e.g. ``"a photo of a"``; None draws from N(0, 0.02).
        csc: class-specific contexts. They can't be moved to other classes.
        class_token_position: ``end``, ``middle`` or ``front``.
        optim: optimiser and schedule.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for an unknown position, no context, an ``n_ctx`` that isn't the number of tokens of ``ctx_init``,
            or a prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.CoOp(clip, ["red circle", "blue star"], ctx_init="a photo of a")
        >>> learner.ctx.shape, learner.text_features().shape  # (M, E), (C, D)
        (torch.Size([4, 128]), torch.Size([2, 128]))
        >>> learner.rebind(["green square"], "a photo of a {}.").class_names
        ('green square',)
    """

    open_vocabulary = True
    per_class = ("prompts",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength | None = None,
        ctx_init: ContextWords | None = None,
        csc: bool = False,
        class_token_position: Position = "end",
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        start = starting_context(clip, ctx_init, n_ctx, default=16, copies=len(class_names) if csc else None,
                                 generator=generator)  # fmt: skip
        self.optim = optim or Optim()
        self.ctx = nn.Parameter(start)  # (M, E), or (C, M, E) if class-specific
        self.open_vocabulary = not csc
        self.csc, self.class_token_position = csc, class_token_position
        M = start.shape[-2]
        self.prompts = ClassPrompts(clip, class_names, n_ctx=M, position=class_token_position, csc=csc)
        if csc:
            self.per_class = ("ctx",)

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse fewer context vectors than words to start from."""
        check_context(arguments)

    def text_features(self, *, normalised: bool = True) -> Tensor:
        """(C, D) L2-normalised, or of the length that the text tower gives them."""
        return self.prompts.encode(self.ctx, normalised=normalised)

    def sides(self, inputs: Tensor) -> Sides:
        """Image features (B, D) as they are given, text features (C, D)."""
        return Sides(inputs, self.text_features(normalised=False))

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        return {"ctx": "prompt_learner.ctx"}

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the context."""
        return [GradientStage("context", [self.ctx], self.loss, self.optim)]

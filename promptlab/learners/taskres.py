"""TaskRes: a free residual per class on CLIP's text features.

Paper: Task Residual for Tuning Vision-Language Models, https://arxiv.org/abs/2211.10277; code: geekyutao/TaskRes.
With t (C, D) the text features as long as the text tower makes them (of several templates their mean), the logits are
the backbone's of f and ``normalise(t + alpha x)``.
What is learned: x (C, D), zero at the start, by cross-entropy. ``alpha`` is fixed: 0.5, on Oxford Flowers 1.
On ImageNet the authors read the classes in CLIP's seven best prompts and the dataset's own (``templates="select"``),
elsewhere in the dataset's own; the YAML has that, as it has their rates.
Where promptlab departs: fp32; cached views of the images unless ``views=online``; underscores in names are spaces (the
authors leave them). Their "enhanced base" needs text projections that they don't release the training of: left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates


class TaskRes(ReadsTexts, TextSideLearner):
    """Scores by ``t + alpha x``; ``residuals`` are x (C, D).

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        alpha: how much of the residual is added; beside it the text features have the length of the tower.
        optim: optimiser and schedule; the authors' Adam with a penalty in the gradient if None.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> learner = promptlab.TaskRes(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> learner.residuals.shape, learner.open_vocabulary  # (C, D); a residual belongs to its class
        (torch.Size([2, 128]), False)
    """

    per_class = ("residuals",)
    residuals: nn.Parameter

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        alpha: Annotated[float, Gt(0), Le(1_000_000)] = 0.5,
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.read_texts(template, templates, prompts, normalised=False)
        self.alpha = alpha
        self.residuals = nn.Parameter(torch.zeros_like(self.texts.features))
        self.optim = optim or Optim(name="adam", lr=2e-3, epochs=100, batch_size=256)

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised, residuals included."""
        return F.normalize(self.texts.features + self.alpha * self.residuals, dim=-1)

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the residuals."""
        return [GradientStage("residuals", [self.residuals], self.loss, self.optim)]

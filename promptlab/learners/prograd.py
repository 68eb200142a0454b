"""ProGrad: CoOp, less what its gradient has against zero-shot CLIP's predictions.

Paper: Prompt-aligned Gradient for Prompt Tuning, https://arxiv.org/abs/2205.14865; code: BeierZhu/Prompt-align.
With z CoOp's logits, t those of the plain CLIP under the teacher's hand-written prompt, and T a temperature:

``a = d CE(z, y) / d ctx``,  ``b = d T^2 CE(z / T, softmax(t / T)) / d ctx``,  ``u = b / |b|``

the optimiser gets ``a - strength <a, u> u`` where ``<a, b>`` is negative, and ``a`` elsewhere; norms and products run
over the whole context.
What is learned: CoOp's M context vectors. They start from the teacher's template: its words fill the last of them, a
vector each, zeros stand before these; tokens beyond its number of words (a comma is a token, but no word) stay fixed in
front of the class name.
Where promptlab departs: fp32; the teacher's image feature is the cached one, which is the student's. Another dataset
than the trained one keeps the trained one's fixed word; the authors' code takes the target's, as ``target_templates``
do, whose table is ``learner=prograd_targets``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Self

import torch
from annotated_types import Gt, Interval, Le
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.learners.zero_shot import ZeroShot
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.prompts.starting_context import ContextLength, late_context, starting_context


class ProGrad(TextSideLearner):
    """CoOp with the class at the end, whose gradient is projected before each step.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, context vectors.
        words_start: start from the teacher's template; from N(0, 0.02), with nothing fixed, if False.
        template: the dataset's hand-written prompt, with ``{}`` for the class name; ``a photo of a {}.`` if None.
        teacher_template: the prompt that teaches, where it is another one.
        target_templates: for the test images of other datasets, by the dataset's name, what a fixed word is taken from
            as from the teacher's; ``else`` for all that aren't named. None keeps the trained dataset's word.
        strength: share of the conflicting part that is taken out, 0 (CoOp) to 1.
        temperature: T.
        optim: optimiser and schedule; CoOp's if None.
        generator: source of a random start; None seeds one with 0.

    Raises:
        ValueError: for a number out of range, fewer vectors than the template has words, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.ProGrad(clip, ["red circle", "blue star"], n_ctx=6)
        >>> learner.ctx[:2].abs().sum().item(), learner.ctx[2:].abs().sum().item() > 0  # zeros, then "a photo of a"
        (0.0, True)
    """

    balances = True
    open_vocabulary = True
    per_class = ("prompts", "teacher")
    added_later = MappingProxyType({"target_templates": None})

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength = 16,
        words_start: bool = True,
        template: Template | None = None,
        teacher_template: Template | None = None,
        target_templates: Mapping[str, Template] | None = None,
        strength: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        temperature: Annotated[float, Gt(0), Le(1000)] = 1.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        taught = teacher_template or template or DEFAULT_TEMPLATE
        start, fixed = (
            late_context(clip, _before_name(taught), n_ctx)
            if words_start
            else (starting_context(clip, None, n_ctx, default=n_ctx, generator=generator), "")
        )
        targets = target_templates if words_start and target_templates else {}
        self._fixed = {name: late_context(clip, _before_name(own), n_ctx)[1] for name, own in targets.items()}
        self.strength, self.temperature, self.optim = strength, temperature, optim or Optim()
        self.ctx = nn.Parameter(start)  # (M, E)
        self.prompts = ClassPrompts(clip, class_names, n_ctx=n_ctx, words=fixed)
        self.teacher = ZeroShot(clip, class_names, template=taught)

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""
        return self.prompts.encode(self.ctx)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, whose gradient with respect to the context is the projected one."""
        logits, T = self(batch.inputs), self.temperature
        loss = self.balance.cross_entropy(logits, batch.labels)
        if not torch.is_grad_enabled():
            return loss
        soft = (self.teacher(batch.inputs) / T).softmax(-1)
        own, general = (
            torch.autograd.grad(term, self.ctx, retain_graph=True)[0]
            for term in (loss, T**2 * F.cross_entropy(logits / T, soft))
        )
        projected = without_conflict(own, general, self.strength)
        return loss.detach() + (projected * (self.ctx - self.ctx.detach())).sum()

    def tested_on(self, dataset: str, source: str) -> Self:
        """With the dataset's own fixed word, where it is another one and has some."""
        fixed = self._fixed.get(dataset, self._fixed.get("else"))
        if dataset == source or fixed is None or fixed == self.prompts.words:
            return self
        other = self.copied()
        other.prompts = ClassPrompts(self.clip, self.class_names, n_ctx=len(self.ctx), words=fixed)
        return other

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        return {"ctx": "prompt_learner.ctx"}

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the context."""
        return [GradientStage("context", [self.ctx], self.loss, self.optim)]


def without_conflict(own: Tensor, general: Tensor, strength: float) -> Tensor:
    """A gradient, less its part against another one where the two disagree.

    Args:
        own: the gradient.
        general: the other one, of the same shape.
        strength: share of that part that is taken out.

    Example:
        >>> without_conflict(torch.tensor([1.0, -1.0]), torch.tensor([0.0, 2.0]), 1.0).tolist()
        [1.0, 0.0]
    """
    product, square = (own * general).sum(), (general * general).sum()
    return torch.where(product < 0, own - strength * product / square * general, own)


def _before_name(template: str) -> str:
    return template.partition("{}")[0].strip()

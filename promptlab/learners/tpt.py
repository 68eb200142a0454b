"""TPT: for every test image, a step of the context that makes its views agree; then it is forgotten.

Paper: Test-Time Prompt Tuning for Zero-Shot Generalization in Vision-Language Models,
https://arxiv.org/abs/2209.07511; code: azshue/TPT. With f_v the K views of one image, f_0 the plain one, all
normalised, and g(ctx) the text features (C, D) of the class prompts with context vectors ctx (M, E):

- ``z_v = scale f_v g(ctx)``; of the K views the ``int(selection K)`` whose softmax has the lowest entropy are kept;
- ``p`` is the mean of their softmax rows, the loss its entropy;
- AdamW takes a step of ctx, or several over the same views; the image's logits are those of f_0 at the new ctx.

What is learned: nothing beforehand, ctx being the words "a photo of a"; with ``optim`` ctx is trained first as CoOp's
is, which the paper calls TPT + CoOp. Nothing is chosen: the step is the authors' for all datasets.
Where promptlab departs: fp32 without a loss scaler (the authors' scaler skips the step of an image whose gradients
overflow); the random views are this library's crops (bicubic) with a flip, a function of the image alone; no AugMix on
top of them, which the authors lay over the views of fine-grained datasets; at least one view is kept.
The text side of ctx's start is the same for every image, so it runs forward once, and each image takes one backward
pass through it and one forward pass at its own ctx.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Interval
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.learner import Scorer
from promptlab.learners.base.optim import Optim, Rate
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.starting_context import ContextWords, starting_context


class TPT(TextSideLearner):
    """Context vectors that each test image tunes for itself; ``ctx`` (M, E) is where every image begins.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        ctx_init: words that the context starts from.
        test_views: K views of each test image, the plain one among them.
        selection: share of them that is kept, those of the surest predictions.
        lr: learning rate at test time.
        weight_decay: of ctx, at test time.
        steps: steps for each image.
        optim: optimiser and schedule of the training beforehand; None trains nothing.

    Raises:
        ValueError: for a number out of range, or a prompt longer than the context length.

    Example:
        >>> import promptlab, torch
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.TPT(clip, ["red circle", "blue star"], test_views=8)
        >>> views = clip.encode_texts(["a blue star"]).expand(8, -1)  # all views alike
        >>> learner.adapt_and_score(views.unsqueeze(0)).argmax().item()
        1
    """

    open_vocabulary = True
    per_class = ("prompts",)
    test_time = True
    ctx: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        ctx_init: ContextWords = "a photo of a",
        test_views: Annotated[int, Interval(ge=2, le=4096)] = 64,
        selection: Annotated[float, Interval(gt=0, le=1)] = 0.1,
        lr: Annotated[float, Gt(0), Interval(le=1000)] = 0.005,
        weight_decay: Rate = 0.01,
        steps: Annotated[int, Interval(ge=1, le=1000)] = 1,
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.test_views, self.selection = test_views, selection
        self.lr, self.weight_decay, self.steps, self.optim = lr, weight_decay, steps, optim
        start = starting_context(clip, ctx_init, None, default=4)
        if optim is None:
            self.register_buffer("ctx", start, persistent=False)  # the words', so there is nothing to save
        else:
            self.ctx = nn.Parameter(start)
        self.prompts = ClassPrompts(clip, class_names, n_ctx=len(self.ctx))

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised, of the context that images start from."""
        return self.prompts.encode(self.ctx)

    def authors_names(self) -> Mapping[str, str]:
        """What CoOp's code calls the context that ``optim`` trains.

        Raises:
            TypeError: without ``optim``, as nothing is learned then.
        """
        if self.optim is None:
            raise TypeError("TPT learns nothing beforehand; with optim (learner=tpt_coop) it begins at CoOp's context")
        return {"ctx": "prompt_learner.ctx"}

    def fit_plan(self) -> list[Stage]:
        """Nothing, or with ``optim`` one gradient stage over the context."""
        return [] if self.optim is None else [GradientStage("context", list(self.parameters()), self.loss, self.optim)]

    def adapt_and_score(self, inputs: Tensor) -> Tensor:
        """Logits (1, C) of the plain view of one image's views (1, K, D), at the context that they make."""
        return self.test_time_scorer()(inputs)

    def test_time_scorer(self) -> Scorer:
        """The same, with the text features that every image starts from computed once."""
        start = self.ctx.detach().clone().requires_grad_()
        with torch.enable_grad():
            texts = self.prompts.encode(start)  # (C, D); every image goes back through this graph
        return lambda views: self._adapted(views.squeeze(0), start, texts)

    @torch.enable_grad()
    def _adapted(self, views: Tensor, start: Tensor, texts: Tensor) -> Tensor:
        """Logits (1, C) of views (K, D), with ``texts`` the features at the context ``start``."""
        sure = views[most_certain(self.clip.logits(views, texts.detach()), self.selection)]
        ctx = start.detach().clone().requires_grad_()
        optimiser = torch.optim.AdamW([ctx], lr=self.lr, weight_decay=self.weight_decay)
        at = start
        for step in range(self.steps):
            loss = entropy_of_mean(self.clip.logits(sure, texts))
            (ctx.grad,) = torch.autograd.grad(loss, at, retain_graph=step == 0)
            optimiser.step()
            with torch.set_grad_enabled(step + 1 < self.steps):
                texts, at = self.prompts.encode(ctx), ctx
        return self.clip.logits(views[:1], texts)


def most_certain(logits: Tensor, share: float) -> Tensor:
    """Which views have the surest predictions, the surest first.

    Args:
        logits: (K, C) of the views.
        share: how many of them, rounded down, but at least one.
    """
    return entropies(logits).argsort()[: max(1, int(share * len(logits)))]


def entropies(logits: Tensor) -> Tensor:
    """Of each view's prediction (K,), by its logits (K, C)."""
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


def entropy_of_mean(logits: Tensor) -> Tensor:
    """Entropy of the mean prediction of logits (n, C), computed among logarithms."""
    logs = logits.log_softmax(-1).logsumexp(0) - torch.tensor(float(len(logits))).log()
    return -(logs.exp() * logs).sum()

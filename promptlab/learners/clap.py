"""ZS-LP and CLAP: a linear probe in cosine form that starts from the class texts, free or held near them.

Paper: A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models, https://arxiv.org/abs/2312.12730; code:
jusiro/CLAP. With p (C, D) prototypes that start at t, the text features as long as the text tower makes them (of
several templates their mean), the logits are the backbone's of f and ``normalise(p)``. The losses are

- ZS-LP: cross-entropy;
- CLAP: cross-entropy ``+ mean_k alpha_k |p_k - t_k|^2``, where ``alpha_k`` is the mean, over all views of class k's
  training images, of the probability that zero-shot CLIP gives to k; computed once, before training.

What is learned: p. Nothing is chosen on validation images, which is the paper's point. A batch holds rows of the pool
of all images' views (theirs are ``views=20``), and an epoch has as many batches as the images alone would give.
On ImageNet the authors read the classes in CLIP's seven best prompts and the dataset's own (``templates="select"``).
A class that comes later (:meth:`ZSLP.with_class`) is promptlab's own addition.
Where promptlab departs: fp32; underscores in names are spaces (the authors leave them). The released CLAP holds the
multipliers fixed, where the paper derives them from an augmented Lagrangian; so does this, and has none of their code's
other penalties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates
from promptlab.support.words import counted

WEIGHTS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)
"""By how much a new class's pictures may move its prototype."""


class ZSLP(ReadsTexts, TextSideLearner):
    """A zero-shot initialised linear probe; ``prototypes`` are (C, D).

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        optim: optimiser and schedule; the authors' 300 epochs of SGD if None.

    Raises:
        ValueError: for a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZSLP(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> [name for name, _ in learner.named_parameters()], learner.open_vocabulary
        (['prototypes'], False)
    """

    keeps_images = True
    per_class = ("prototypes",)
    prototypes: nn.Parameter

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.read_texts(template, templates, prompts, normalised=False)
        self.prototypes = nn.Parameter(self.texts.features.clone())
        self.optim = optim or Optim(lr=0.1, weight_decay=0.0, epochs=300, batch_size=256)

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised: the prototypes."""
        return F.normalize(self.prototypes, dim=-1)

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the prototypes."""
        return [GradientStage("prototypes", [self.prototypes], self.loss, self.optim, draws="pool")]

    @property
    def takes_new_classes(self) -> bool:
        """A new prototype begins where all of them began: at the class's text."""
        return True

    @torch.no_grad()
    def with_class(
        self, name: str, images: Tensor, others: Tensor, template: str = DEFAULT_TEMPLATE
    ) -> tuple[Self, str]:
        """A prototype at the text ``t / |t|``, moved by ``w (m - o)``: means of the class's images and of the others.

        Of :data:`WEIGHTS` the least ``w`` is taken at which most of the other images keep their answer and most of the
        class's own get it, both shares alike; without images on both sides it is 0.
        """
        grown = self._grown(name, template)
        if not (len(images) and len(others)):
            return grown, "a prototype at its text's feature alone"
        text = grown.prototypes[-1]  # (D,), as long as prototypes begin
        step = (images.mean(0) - others.mean(0)).to(text)
        rows = [F.normalize(F.normalize(text, dim=-1) + weight * step, dim=-1) for weight in WEIGHTS]
        best = max(range(len(rows)), key=lambda at: self._agreement(rows[at], images, others))  # the first of equals
        grown.prototypes.data[-1] = rows[best] * text.norm()
        return grown, (
            f"a prototype at its text's feature plus {WEIGHTS[best]:g} x (mean of {counted(len(images), 'picture')} - "
            f"mean of {len(others):,} others)"
        )

    def _grown(self, name: str, template: str) -> Self:
        """With one class more, known by its text alone."""
        grown = type(self)(self.clip, (*self.class_names, name), **{**self.arguments, "template": template})
        grown.reading, grown.decision, grown.notes = self.reading, self.decision, self.notes
        with torch.no_grad():
            for rows, own in zip(grown.state_dict().values(), self.state_dict().values(), strict=True):
                rows[:-1] = own  # both have a row for each class, and nothing else is learned
        return grown.to(self.prototypes.device).train(self.training)

    def _agreement(self, row: Tensor, images: Tensor, others: Tensor) -> float:
        """Of a new row (D,): the share of other images that keep their answer, plus the share of its own that win."""
        images, others = images.to(row), others.to(row)
        kept = self.clip.logits(others, row[None])[:, 0] <= self(others).amax(-1)
        won = self.clip.logits(images, row[None])[:, 0] > self(images).amax(-1)
        return float(kept.float().mean() + won.float().mean())


class CLAP(ZSLP):
    """ZS-LP with a penalty on the distance from the texts; ``multipliers`` are alpha (C,), 0 without images.

    Args:
        clip: the frozen backbone; all arguments are those of :class:`ZSLP`.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt.
        templates: other prompts instead.
        prompts: sentences about each class instead.
        optim: optimiser and schedule.

    Raises:
        ValueError: for a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> learner = promptlab.CLAP(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> [stage.name for stage in learner.fit_plan()]
        ['multipliers', 'prototypes']
    """

    balances = True
    per_class = ("multipliers",)
    multipliers: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names, template=template, templates=templates, prompts=prompts, optim=optim)
        self.register_buffer("multipliers", torch.zeros(len(class_names), device=clip.device))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy and the penalty, the mean over classes."""
        squared = (self.prototypes - self.texts.features).square().sum(-1)  # (C,)
        return super().loss(batch) + (self.multipliers * squared).mean()

    def fit_plan(self) -> list[Stage]:
        """The multipliers, then the prototypes."""
        return [ClosedFormStage("multipliers", self._weigh), *super().fit_plan()]

    def _weigh(self, train: Batch, val: Batch | None) -> None:
        """Mean zero-shot probability of its own class over each class's rows."""
        zero_shot = self.clip.logits(train.inputs, F.normalize(self.texts.features, dim=-1)).softmax(-1)  # (N, K, C)
        own = zero_shot.mean(1).gather(1, train.labels.unsqueeze(1)).squeeze(1)  # (N,)
        counts = train.labels.bincount(minlength=len(self.class_names)).clamp(min=1)
        self.multipliers.copy_(torch.zeros_like(self.multipliers).index_add(0, train.labels, own) / counts)

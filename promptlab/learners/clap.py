"""ZS-LP and CLAP: a linear probe in cosine form that starts from the class texts, free or held near them.

Paper: A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models, https://arxiv.org/abs/2312.12730; code:
jusiro/CLAP. With p (C, D) prototypes that start at t, the text features as long as the text tower makes them (of
several templates their mean), the logits are the backbone's of f and ``normalise(p)``. The losses are

- ZS-LP: cross-entropy;
- CLAP: cross-entropy ``+ mean_k alpha_k |p_k - t_k|^2``, where ``alpha_k`` is the mean, over all views of class k's
  training images, of the probability that zero-shot CLIP gives to k; computed once, before training.

What is learned: p. Nothing is chosen on validation images, which is the paper's point. A batch holds rows of the pool
of all images' views (theirs are ``views=20``), and an epoch has as many batches as the images alone would give.
Where promptlab departs: fp32; underscores in names are spaces. The released CLAP holds the multipliers fixed, where the
paper derives them from an augmented Lagrangian; so does this.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates


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

"""ProLIP: CLIP's last image projection, fine-tuned near where it was.

Paper: CLIP's Visual Embedding Projector is a Few-shot Cornucopia, https://arxiv.org/abs/2410.05270; code:
astra-vision/ProLIP. With x (B, V) the image features before the projection W (V, D) and t the normalised text features,
logits are the backbone's of ``normalise(x W)`` and t, and the loss is

``CE + penalty * sum (W - W_0)^2``,  W_0 the pretrained projection.

What is learned: W, from W_0, by 300 full-batch steps of Adam, each on another view of the same images. Text features
are fixed. Two published settings: lr 1e-5 with ``penalty = 1 / shots`` (nothing is chosen), and a search over seven
learning rates and seven penalties on as many validation images as training ones (``learner.search=true val=shots``).
Where promptlab departs: fp32 (in the authors' fp16 a step at lr 1e-5 is about the spacing of the numbers); vision
transformers alone; ``views`` says how many views there are (theirs are 300); from ImageNet to other datasets all are
read in one prompt each (theirs reads ImageNet in seven). Their images are ``protocol.rule=repeated``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Annotated, Any

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
"""Learning rates that the search tries, in the outer loop."""
PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001, 0.0)
"""Penalties that the search tries; of equals the first pair wins."""
FULL_BATCH = 1_000_000


class ProLIP(ReadsTexts, PromptLearner):
    """Scores by its own copy of the image projection; ``projection`` is W (V, D).

    Args:
        clip: the frozen backbone; its image tower is a vision transformer with a projection.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        penalty: on the squared distance from the pretrained projection; ``1 / shots`` if None, shots being the
            training images over the classes.
        search: train with each pair of :data:`RATES` and :data:`PENALTIES`, and keep what is best on the validation
            images.
        optim: optimiser and schedule; the authors' 300 full-batch steps of Adam at 1e-5 if None.

    Raises:
        UnsupportedBackboneError: if the image tower doesn't end in a projection.
        ValueError: for a number out of range, a penalty beside a search, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.ProLIP(clip, ["red circle", "blue star"])
        >>> learner.projection.shape == (clip.pre_projection_width, clip.dim)
        True
    """

    balances = True
    open_vocabulary = True
    normalised = False
    reads = "pre_projection"
    crop_scale = (0.5, 1.0)
    searches = True
    projection: nn.Parameter
    strength: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        penalty: Annotated[float, Interval(ge=0, le=1_000_000)] | None = None,
        search: bool = False,
        optim: Optim | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.read_texts(template, templates, prompts)
        self.penalty, self.search = penalty, search
        self.optim = optim or Optim(
            name="adam", lr=1e-5, eps=1e-4, weight_decay=0.0, epochs=300, batch_size=FULL_BATCH, drop_last=False,
            schedule="cosine_per_step", warmup_epochs=0,
        )  # fmt: skip
        self._start = clip.image_projection.to(clip.device)
        self.projection = nn.Parameter(self._start.clone())
        self.register_buffer("strength", torch.tensor(penalty or 0.0, device=clip.device))

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse a penalty beside a search for it, and templates together with sentences."""
        super().check_together(arguments)
        if arguments["search"] and arguments["penalty"] is not None:
            raise ValueError(f"penalty={arguments['penalty']} and search=True: the search looks for the penalty, leave "
                             "one out")  # fmt: skip

    def forward(self, before_projection: Tensor) -> Tensor:
        """Logits (B, C) of image features before the projection (B, V)."""
        return self.scorer()(before_projection)

    def scorer(self) -> Scorer:
        """The classifier of the texts built once."""
        classify = self.clip.classifier(self.text_features())
        return lambda before_projection: classify(F.normalize(before_projection @ self.projection, dim=-1))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, and the squared distance from where the projection began."""
        return super().loss(batch) + self.strength * (self.projection - self._start).square().sum()

    def fit_plan(self) -> list[Stage]:
        """The penalty's strength, then the projection; or both by a search."""
        if self.search:
            pair = "a rate and a penalty"
            return [ClosedFormStage("search", self._search, searches=pair, unsearched="learner.search=false")]
        descent = GradientStage("projection", [self.projection], self.loss, self.optim, draws="views_in_turn")
        return [ClosedFormStage("penalty", self._weigh), descent]

    def _weigh(self, train: Batch, val: Batch | None) -> None:
        shots = len(train.labels) / len(self.class_names)
        self.strength.fill_(1 / shots if self.penalty is None else self.penalty)

    def _search(self, train: Batch, val: Batch | None) -> None:
        """Train 49 times on all items (N, K, V), and keep the first that has most hits on ``val``."""
        assert val is not None
        best, kept = -1, (self._start, 0.0)
        for rate, penalty in product(RATES, PENALTIES):
            self.strength.fill_(penalty)
            self._descend(train, replace(self.optim, lr=rate))
            hits = int((self(val.inputs).argmax(-1) == val.labels).sum())
            if hits > best:
                best, kept = hits, (self.projection.detach().clone(), penalty)
        self.projection.data.copy_(kept[0])
        self.strength.fill_(kept[1])

    def _descend(self, train: Batch, optim: Optim) -> None:
        """What the gradient stage does, here at once: a step on all items by each of their views in turn."""
        self.projection.data.copy_(self._start)
        optimiser = optim.build([self.projection])
        for epoch in range(optim.epochs):
            rows = train._replace(inputs=train.inputs[:, (epoch + 1) % train.inputs.shape[1]])
            optimiser.param_groups[0]["lr"] = optim.lr * (1 + math.cos(math.pi * epoch / optim.epochs)) / 2
            with torch.enable_grad():
                (self.projection.grad,) = torch.autograd.grad(self.loss(rows), [self.projection])
            optimiser.step()
        self.projection.grad = None

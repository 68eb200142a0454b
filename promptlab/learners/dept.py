"""DePT: a linear head over the base classes beside a prompt learner, which lets go of the features of new ones.

Paper: DePT: Decoupled Prompt Tuning, https://arxiv.org/abs/2309.07439; code: Koorye/DePT. With x (B, D), w (C, D) the
image and text features of the inner learner as long as the towers make them, z its logits, and p a linear head:

``u = scale_img * x + bias_img``,  ``v = scale_txt * w + bias_txt``  (element by element)
``(1 - weight) CE(z, y) + weight CE(p([v_y; u]), [y; y]) + the inner learner's regulariser``

The head's rows are the text features of the batch's own classes and its image features, one mean over 2 B rows.
What is learned: the inner learner's parameters, the four vectors and the head, which learn 6.5 times as fast.
Scores: known classes ``(1 - weight) z + weight p(u)``; new names, and known classes among new ones, z alone, as the
head knows nothing of the others.
Where promptlab departs: fp32; the head starts from this learner's own generator. Inner learners are CoOp, CoCoOp,
KgCoOp and MaPLe; the authors train each for 10 epochs in batches of 4 (CoCoOp 1). ``learner=dept`` leaves them the
start that their own papers have: the authors' recipe gives CoOp 16 random vectors in every protocol
(``inner.n_ctx=16``), KgCoOp the weight 2 and MaPLe 9 layers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Self

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.around import INNER
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.facts import LearnerFacts
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import ParameterGroup
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.base.wrapper import Wrapper
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.support.errors import UsageError


class NoSidesError(UsageError, TypeError):
    """A learner that doesn't say which features it compares, where another needs them."""


class DePT(Wrapper):
    """A prompt learner and a head on raw features, trained together.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        inner: makes the prompt learner: CoOp, CoCoOp, KgCoOp, MaPLe, or one that gives its
            :meth:`~promptlab.learners.PromptLearner.sides`.
        weight: share of the head in the loss and in the scores of known classes.
        lr_factor: how much faster the head learns.
        template: the dataset's hand-written prompt, for inner learners that take one.
        has_images: for each class, whether it has training images, likewise.
        generator: source of the random start; None seeds one with 0.

    Raises:
        NoSidesError: if the inner learner gives no sides.
        ValueError: for a number out of range.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.DePT(clip, ["red circle", "blue star"], inner=promptlab.CoOp)
        >>> [stage.name for stage in learner.fit_plan()]
        ['decoupled']
    """

    per_class = ("head_weight", "head_bias")

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        inner: Callable[..., PromptLearner],
        weight: Annotated[float, Interval(ge=0, le=1)] = 0.7,
        lr_factor: Annotated[float, Interval(ge=0, le=1000)] = 6.5,
        template: Template = DEFAULT_TEMPLATE,
        has_images: Sequence[bool] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        generator = generator or torch.Generator().manual_seed(0)
        super().__init__(clip, class_names, inner, template=template, has_images=has_images, generator=generator)
        if type(self.inner).sides is PromptLearner.sides:
            raise NoSidesError(
                f"{type(self.inner).__name__} doesn't say which features of both towers it compares, so DePT can't be "
                "put around it: use inner=coop, cocoop, kgcoop, maple or atprompt"
            )
        self.weight, self.lr_factor = weight, lr_factor
        head = linear(clip.dim, len(class_names), generator, device=clip.device)
        self.head_weight, self.head_bias = head.weight, head.bias
        ones, zeros = (torch.full((clip.dim,), value, device=clip.device) for value in (1.0, 0.0))
        self.image_scale, self.image_bias = nn.Parameter(ones.clone()), nn.Parameter(zeros.clone())
        self.text_scale, self.text_bias = nn.Parameter(ones.clone()), nn.Parameter(zeros.clone())
        self._knows_all = True

    @classmethod
    def facts(cls, inner: LearnerFacts | None = None) -> LearnerFacts:
        """The inner learner's, but for the lengths of features, which the head reads."""
        return replace(super().facts(inner), normalised=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, C) of raw image features (B, D), or of images (B, 3, H, W) where the inner learner needs them."""
        sides = self.inner.sides(inputs)
        similar = self.clip.as_logits(sides.similarities())
        if not self._knows_all:
            return similar
        return (1 - self.weight) * similar + self.weight * self._head(self._scaled_images(sides.images))

    def scorer(self) -> Scorer:
        """Of learners that read features with the inner one's text side computed once."""
        similar = self.inner.scorer()
        if self.needs == "images":
            return self if self._knows_all else similar
        if not self._knows_all:
            return lambda inputs: similar(F.normalize(inputs, dim=-1))
        return lambda inputs: (
            (1 - self.weight) * similar(F.normalize(inputs, dim=-1))
            + self.weight * self._head(self._scaled_images(inputs))
        )

    def loss(self, batch: Batch) -> Tensor:
        """Both cross-entropies, and what the inner learner adds to its own."""
        sides = self.inner.sides(batch.inputs)
        texts = self.text_scale * sides.texts_of(batch.labels) + self.text_bias  # (B, D)
        of_head = self._head(torch.cat([texts, self._scaled_images(sides.images)]))  # (2 B, C)
        similar = F.cross_entropy(self.clip.as_logits(sides.similarities()), batch.labels)
        decoupled = F.cross_entropy(of_head, batch.labels.repeat(2))
        return (1 - self.weight) * similar + self.weight * decoupled + self.inner.regulariser(sides)

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the inner learner's parameters and, faster, all others."""
        (stage,) = self.inner.fit_plan()
        assert isinstance(stage, GradientStage)
        own = [parameter for name, parameter in self.named_parameters() if not name.startswith(INNER)]
        groups = [*stage.groups, ParameterGroup(own, lr_factor=self.lr_factor)]
        return [replace(stage, name="decoupled", parameters=[*stage.parameters, *own], loss=self.loss, groups=groups)]

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        own = {"head_weight": "linear_probe_proj.weight", "head_bias": "linear_probe_proj.bias"}
        for side, theirs in (("image", "img"), ("text", "text")):
            own |= {f"{side}_{part}": f"film_lp_{theirs}.{part}" for part in ("scale", "bias")}
        return own | {INNER + name: theirs for name, theirs in self.inner.authors_names().items()}

    def of_authors(self, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """With the inner learner's, as it takes them."""
        inner = {INNER + name: tensor for name, tensor in self.inner.of_authors(found).items()}
        return {**super().of_authors(found), **inner}

    def authors_unused(self, names: Collection[str]) -> Collection[str]:
        """The inner learner's."""
        return self.inner.authors_unused(names)

    def classes_changed(self, classes: ClassSet) -> None:
        """The head says nothing of new names."""
        if classes.indices is None:
            self._knows_all = False
            self.head_weight = nn.Parameter(self.head_weight.new_zeros(len(classes.names), self.clip.dim))
            self.head_bias = nn.Parameter(self.head_bias.new_zeros(len(classes.names)))

    def extend(
        self,
        class_names: Sequence[str],
        template: str = DEFAULT_TEMPLATE,
        own: Sequence[int | str | None] | None = None,
    ) -> Self:
        """Own classes among others: all are scored by similarity, unless all are its own.

        Raises:
            TypeError: if the inner learner can't.
            ValueError: as every learner's.
        """
        other = super().extend(class_names, template, own)
        other._knows_all = self._knows_all and None not in self._rows_of(other.class_names, own)
        return other

    def learned_tensors(self) -> Mapping[str, Tensor]:
        """What is trained, and ``knows_all`` where the head doesn't know some class."""
        own = super().learned_tensors()
        return own if self._knows_all else {**own, "knows_all": self.head_bias.new_zeros(1)}

    def take_shapes(self, tensors: Mapping[str, Tensor]) -> None:
        """Also the word of a saved head that doesn't know all classes."""
        super().take_shapes(tensors)
        self._knows_all = "knows_all" not in tensors

    def _scaled_images(self, images: Tensor) -> Tensor:
        return self.image_scale * images + self.image_bias

    def _head(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.head_weight, self.head_bias)

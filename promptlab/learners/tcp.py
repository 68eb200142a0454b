"""TCP: KgCoOp whose context becomes each class's own, made from its zero-shot feature, in the middle of the text tower.

Paper: Textual-based Class-aware Prompt tuning, https://arxiv.org/abs/2311.18231; code:
htyao89/Textual-based_Class-aware_prompt_tuning. With w (C, D) the teacher's text features, q(x) = x sigmoid(1.702 x):

- ``k_c = linear2(q(linear1(w_c)))`` as (M, E) takes the place of the context of class c before the ninth layer;
- ``CE(z, y) + weight (1 - mean_c cos(g_c, w_c))``, g the text features, z the logits of g.

What is learned: one context (M, E), that the class's words attend to below that layer, and the two linear maps.
Where promptlab departs: fp32, a generator of its own, any backbone with enough layers. Teacher and student read a
dataset in texts of their own, of which the YAML has the authors' table for the dataset that is trained on; another one
is read in its hand-written prompt, or in the table's texts by ``learner=tcp_targets``, as their code does.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Self

import torch
from annotated_types import Interval
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.layers import linear
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, ClassTexts, Template
from promptlab.prompts.starting_context import ContextLength, starting_context


class TCP(TextSideLearner):
    """Cross-entropy under contexts that two linear maps make of the teacher's class features, kept close to these.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, context vectors, drawn from N(0, 0.02).
        layer: before which the context becomes each class's own, counted from 1.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        teacher_template: the prompt that teaches, where it is another one.
        tail_template: what stands behind the context, such as ``{}, a type of pet.``; if None what the hand-written
            prompt has behind its first M words.
        target_teacher_templates: for the test images of other datasets, by the dataset's name, the prompt that teaches,
            where it isn't the hand-written one.
        target_tail_templates: likewise what stands behind the context.
        weight: of one minus the mean cosine similarity to the teacher's class features.
        optim: optimiser and schedule; the authors' Adam with its large ``eps``, 50 epochs in batches of 32, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for a layer that the text tower doesn't have, a number out of range, a template without ``{}``, or a
            prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> learner = promptlab.TCP(promptlab.load_clip("demo"), ["red circle", "blue star"], layer=3)
        >>> learner.class_contexts().shape  # (C, M, E)
        torch.Size([2, 4, 128])
    """

    balances = True
    open_vocabulary = True
    per_class = ("texts",)
    added_later = MappingProxyType({"target_teacher_templates": None, "target_tail_templates": None})

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength = 4,
        layer: Annotated[int, Interval(ge=2, le=100)] = 9,
        template: Template = DEFAULT_TEMPLATE,
        teacher_template: Template | None = None,
        tail_template: Template | None = None,
        target_teacher_templates: Mapping[str, Template] | None = None,
        target_tail_templates: Mapping[str, Template] | None = None,
        weight: Annotated[float, Interval(ge=0, le=10_000)] = 8.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        if layer > clip.text_layers:
            raise ValueError(f"layer={layer}: {clip.name} has {clip.text_layers} text layers, choose one from 2 on")
        generator = generator or torch.Generator().manual_seed(0)
        self.layer, self.weight = layer, weight
        self.target_templates = target_teacher_templates or {}, target_tail_templates or {}
        self.ctx = nn.Parameter(starting_context(clip, None, n_ctx, default=n_ctx, generator=generator))  # (M, E)
        hidden = max(1, clip.dim // 4)
        self.meta_net = nn.Sequential(
            linear(clip.dim, hidden, generator), QuickGELU(), linear(hidden, n_ctx * clip.width, generator)
        ).to(clip.device)
        self.texts = TextsOfClasses(
            clip, class_names, n_ctx=n_ctx, template=template, teacher_template=teacher_template,
            tail_template=tail_template,
        )  # fmt: skip
        self.optim = optim or Optim(name="adam", eps=1e-3, epochs=50)

    def tested_on(self, dataset: str, source: str) -> Self:
        """Where it is another one, in its texts of the tables; without, new classes in its hand-written prompt."""
        teachers, tails = self.target_templates
        wanted = teachers.get(dataset), tails.get(dataset)
        moved = bool(teachers or tails) or self.texts.of_others
        if dataset == source or not moved or wanted == self.texts.given:
            return self
        other = self.copied()
        other.texts = self.texts.read_in(*wanted)
        return other

    def class_contexts(self) -> Tensor:
        """(C, M, E): what the context becomes."""
        contexts: Tensor = self.meta_net(self.texts.taught)
        return contexts.view(len(self.class_names), *self.ctx.shape)

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""
        return self.texts.prompts.encode(self.ctx, deep={self.layer - 1: self.class_contexts()})

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy plus ``weight * (1 - mean over classes of cosine(learned, teacher))``."""
        texts = self.text_features()
        closeness = (texts * self.texts.taught).sum(-1).mean()
        loss = self.balance.cross_entropy(self.clip.logits(batch.inputs, texts), batch.labels)
        return loss + self.weight * (1 - closeness)

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        layers = {"meta_net.0": "linear1", "meta_net.2": "linear2"}
        of_network = {
            f"{own}.{part}": f"prompt_learner.meta_net.{theirs}.{part}"
            for own, theirs in layers.items()
            for part in ("weight", "bias")
        }
        return {"ctx": "prompt_learner.ctx"} | of_network

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the context and the two linear maps."""
        return [GradientStage("prompts", list(self.parameters()), self.loss, self.optim)]


class TextsOfClasses:
    """What teacher and student read of C classes.

    ``taught`` are the teacher's features (C, D), L2-normalised, ``prompts`` the student's prompts.

    Args:
        clip: the frozen backbone.
        class_names: C names.
        n_ctx: M, context vectors.
        template: the dataset's hand-written prompt.
        teacher_template: the teacher's, where it is another one.
        tail_template: what stands behind the context; by the hand-written prompt if None.

    Example:
        >>> import promptlab
        >>> texts = TextsOfClasses(promptlab.load_clip("demo"), ["star"], n_ctx=4, template="a photo of a nice {}.")
        >>> texts.prompts.words, texts.prompts.ending
        ('nice', '.')
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: int,
        template: str,
        teacher_template: str | None = None,
        tail_template: str | None = None,
    ) -> None:
        self._clip, self._n_ctx = clip, n_ctx
        self._templates = template, teacher_template, tail_template
        before, ending = (tail_template or template).split("{}")
        words = before.split() if tail_template else before.split()[n_ctx:]
        self.taught = ClassTexts(clip, class_names, template=teacher_template or template).features
        self.prompts = ClassPrompts(clip, class_names, n_ctx=n_ctx, words=" ".join(words), ending=ending)

    of_others = False
    """Whether they were moved to other names than they were made for."""

    @property
    def given(self) -> tuple[str | None, str | None]:
        """The templates of teacher and tail where they aren't the hand-written prompt's."""
        return self._templates[1:]

    def select(self, class_indices: Sequence[int]) -> TextsOfClasses:
        """The texts of some of the classes."""
        chosen = copy.copy(self)
        chosen.taught, chosen.prompts = self.taught[list(class_indices)], self.prompts.select(class_indices)
        return chosen

    def rebind(self, class_names: Sequence[str], template: str) -> TextsOfClasses:
        """Other names; in the texts given where the hand-written prompt is that of the classes so far."""
        own, teacher, tail = self._templates
        other = self._of(class_names, template, *((teacher, tail) if template == own else (None, None)))
        other.of_others = True
        return other

    def read_in(self, teacher_template: str | None, tail_template: str | None) -> TextsOfClasses:
        """The same classes with other templates than the hand-written one, or with that alone."""
        return self._of(self.prompts.class_names, self._templates[0], teacher_template, tail_template)

    def _of(self, class_names: Sequence[str], template: str, teacher: str | None, tail: str | None) -> TextsOfClasses:
        return TextsOfClasses(
            self._clip, class_names, n_ctx=self._n_ctx, template=template, teacher_template=teacher, tail_template=tail
        )

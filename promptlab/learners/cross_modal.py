"""Cross-modal adaptation: a linear head for which the class prompts are training samples too.

Paper: Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with Multimodal Models,
https://arxiv.org/abs/2301.06267; code: linzhiqiu/cross_modal_adaptation. With x the normalised feature of an image or
of a text, the logits are ``scale x w`` with the weight w (C, D), which isn't normalised, nor is what an adapter makes:
``x' = 0.2 A(x) + 0.8 x``, A being two linear maps with a ReLU after each.
What is learned: w, which starts at the normalised mean of the class's text features, and with ``head=adapter`` A, by
the cross-entropy of batches of which a part are features of images, with their labels, and ``text_batch_size`` are
features of texts, with their classes.
Where promptlab departs: the authors' 100 is the backbone's scale; the text rows of a batch are drawn anew for every
batch, without repetition in it (theirs go once through all before one comes again, and have to be more than a batch
takes); images are shown by the run's cached views (theirs: the plain view and its mirror image); the last step is kept,
or with ``select=val`` the best of the passes over the images (theirs: the best on validation images, asked every 100
steps). Their grid over rate, decay and batch size on few-shot validation images is a sweep, whose first values are the
defaults. Fine-tuning of the image tower's last layer is left out, and so is a random start of w.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates
from promptlab.support.transfers import sent

Head: TypeAlias = Literal["linear", "adapter"]
_RATIO, _REDUCTION = 0.2, 4


class CrossModal(ReadsTexts, PromptLearner):
    """A head trained on features of images and of texts; ``weight`` is w (C, D), ``adapter`` A.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them: each is a sample.
        prompts: sentences about each class instead, likewise.
        head: ``linear``, or ``adapter`` for A in front of it, which trains as well.
        text_batch_size: text features in a batch, besides the ``batch_size`` images of ``optim``; all of them if there
            are fewer.
        wise_ft: share of w in the weight that scores, the rest being what w started from; 1 is w, WiSE-FT has 0.5.
        optim: optimiser and schedule; AdamW of 12,800 steps with a warm-up of 50 if None.
        generator: source of A's random start; None seeds one with 0.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> learner = promptlab.CrossModal(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> learner.weight.shape, learner.text_rows.shape  # (C, D), and a row for each text
        (torch.Size([2, 128]), torch.Size([2, 128]))
    """

    per_class = ("weight",)
    normalised = False

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        head: Head = "linear",
        text_batch_size: Annotated[int, Interval(ge=1, le=1_000_000)] = 4,
        wise_ft: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.read_texts(template, templates, prompts, normalised=False, keep_each=True)
        self.text_batch_size, self.wise_ft = text_batch_size, wise_ft
        self.weight = nn.Parameter(self.zero_shot_weight.clone())
        self.adapter = _adapter(clip, generator) if head == "adapter" else None
        self.optim = optim or Optim(
            name="adamw", lr=1e-3, weight_decay=0.0, steps=12_800, batch_size=4, schedule="cosine_per_step",
            warmup_epochs=0, warmup_steps=50,
        )  # fmt: skip

    @property
    def zero_shot_weight(self) -> Tensor:
        """(C, D) L2-normalised means of the texts, where the weight starts."""
        return F.normalize(self.texts.features, dim=-1)

    @property
    def text_rows(self) -> Tensor:
        """(n, D) features of every text, class after class."""
        return torch.cat(self.texts.each)

    @property
    def text_labels(self) -> Tensor:
        """(n,) the classes of these."""
        counts = torch.tensor([len(rows) for rows in self.texts.each])
        return sent(torch.arange(len(counts)).repeat_interleave(counts), self.clip.device)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D) of any length."""
        if self.wise_ft == 1:
            return self._scored(image_features, self.weight)
        return self._scored(image_features, torch.lerp(self.zero_shot_weight, self.weight, self.wise_ft))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the images and of texts that the batch's generator draws."""
        drawn = torch.randperm(len(self.text_rows), generator=batch.generator)[: self.text_batch_size]
        return self.loss_with(batch, sent(drawn, batch.inputs.device))

    def loss_with(self, batch: Batch, rows: Tensor) -> Tensor:
        """Cross-entropy of the images and of these rows of the texts."""
        features = torch.cat([batch.inputs, self.text_rows[rows]])
        labels = torch.cat([batch.labels, self.text_labels[rows]])
        return F.cross_entropy(self._scored(features, self.weight), labels)

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the head."""
        return [GradientStage("head", list(self.parameters()), self.loss, self.optim)]

    def _scored(self, features: Tensor, weight: Tensor) -> Tensor:
        x = F.normalize(features, dim=-1)
        if self.adapter is not None:
            x = _RATIO * self.adapter(x) + (1 - _RATIO) * x
        return self.clip.as_logits(x @ weight.T)


def _adapter(clip: FrozenCLIP, generator: torch.Generator | None) -> nn.Sequential:
    """Two maps, D to D / 4 to D, with a ReLU after each."""
    generator, hidden = generator or torch.Generator().manual_seed(0), clip.dim // _REDUCTION
    return nn.Sequential(
        linear(clip.dim, hidden, generator, bias=False, device=clip.device),
        nn.ReLU(),
        linear(hidden, clip.dim, generator, bias=False, device=clip.device),
        nn.ReLU(),
    )

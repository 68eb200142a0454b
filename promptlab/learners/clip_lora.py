"""CLIP-LoRA: low-rank updates of the attention products in every layer of both towers.

Paper: Low-Rank Few-Shot Adaptation of Vision-Language Models, https://arxiv.org/abs/2405.18541; code:
MaxZanella/CLIP-LoRA. Beside a product W x of queries, keys or values stands

``s B A drop(x)``,  A (r, W) and B (W, r),  ``s = alpha / sqrt(r)``

with dropout of its own in each, in training alone; the loss is the cross-entropy of cosine logits against "a photo of a
{}.", the same text for all datasets.
What is learned: A, from U(-1/sqrt(W), 1/sqrt(W)), and B, from zeros.
Where promptlab departs: fp32; the updates stay beside the weights, which keep their bytes; prompts share the dropout of
the SOS that they share; logits have the backbone's scale (theirs 100, which is OpenAI's). ``position`` names layers by
their share of a tower, which of 12 layers are theirs. Their images aren't CoOp's draw:
``protocol.rule=validation_first`` is theirs. What they publish is few-shot on all classes; scores of other names are
what the updated towers say of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Interval, Le, MinLen, doc
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.low_rank import Drop, LowRankUpdates, Product, dropping
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.image_side import ImageSideLearner
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.prompts.written_prompts import WrittenPrompts

Encoder = Literal["both", "text", "vision"]
"""The towers with updates."""
Position = Literal["all", "bottom", "mid", "up", "half-bottom", "half-up", "top3"]
"""Layers with updates: all, a third, a half, or the last three."""


class CLIPLoRA(ImageSideLearner):
    """Both towers with low-rank updates, trained by cross-entropy on images.

    Args:
        clip: the frozen backbone; its image tower, where that is updated, is a vision transformer of CLIP's blocks.
        class_names: names of the C classes; underscores are read as spaces.
        text_template: the prompt of every class, whichever dataset it is of.
        rank: r.
        alpha: numerator of s.
        dropout: share of a branch's input that a training step leaves out.
        params: the products with updates, some of ``q``, ``k``, ``v`` and ``o``.
        encoder: the towers with updates, ``both``, ``text`` or ``vision``.
        position: the layers with updates: ``all``, the ``bottom``, ``mid`` or ``up`` third, ``half-bottom``,
            ``half-up``, or ``top3``, of each tower's own layers.
        optim: optimiser and schedule; the authors' AdamW and its 8,000 steps of 16 shots if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take updates.
        ValueError: for a number out of range, unknown products, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.CLIPLoRA(clip, ["red circle", "blue star"], encoder="text", params=["q"])
        >>> len(learner.updates["text"]) == clip.text_layers, learner.updates["text"]["0"]["q"].A.shape
        (True, torch.Size([2, 128]))
    """

    balances = True
    open_vocabulary = True
    added_later = MappingProxyType({"position": "all"})

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        text_template: Template = DEFAULT_TEMPLATE,
        rank: Annotated[int, Interval(ge=1, le=10_000)] = 2,
        alpha: Annotated[float, Gt(0), Le(10_000)] = 1.0,
        dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.25,
        params: Annotated[Sequence[Product], MinLen(1), doc("a list of some of q, k, v, o")] = ("q", "k", "v"),
        encoder: Encoder = "both",
        position: Position = "all",
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        generator = generator or torch.Generator().manual_seed(0)
        towers = {} if encoder == "vision" else {"text": (clip.text_layers, clip.width)}
        if encoder != "text":
            towers["vision"] = clip.vision_layers, clip.vision_width

        shapes = {tower: (layers_of(position, layers), width) for tower, (layers, width) in towers.items()}
        self.updates = LowRankUpdates(shapes, params, rank, alpha, generator).to(clip.device)
        self.text_template, self.dropout = text_template, dropout
        self.prompts = WrittenPrompts(clip, class_names, template=text_template)
        self.optim = optim or Optim(
            name="adamw", lr=2e-4, weight_decay=0.01, steps=8000, drop_last=False, schedule="cosine_per_step",
            warmup_epochs=0, eta_min=1e-6,
        )  # fmt: skip

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names are read in the same prompt, whatever their dataset's is."""
        self.prompts = WrittenPrompts(self.clip, classes.names, template=self.text_template)

    def text_features(self, drop: Drop | None = None) -> Tensor:
        """(C, D) L2-normalised; ``drop`` is what a training step does to the branches' inputs."""
        return self.prompts.encode(adapters=self.updates.adapters("text", drop))

    def image_features(self, images: Tensor, drop: Drop | None = None) -> Tensor:
        """(B, D) L2-normalised, of images (B, 3, H, W)."""
        return self.clip.encode_images(images, adapters=self.updates.adapters("vision", drop))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, with the branches' dropout drawn from the batch's generator; none without one."""
        drop = dropping(self.dropout, batch.generator, self.clip.device)
        logits = self.clip.logits(self.image_features(batch.inputs, drop), self.text_features(drop))
        return self.balance.cross_entropy(logits, batch.labels)

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over all updates."""
        return [GradientStage("updates", list(self.parameters()), self.loss, self.optim)]


def layers_of(position: Position, layers: int) -> range:
    """The layers (0-based) with updates, of a tower with so many.

    Example:
        >>> list(layers_of("up", 12)), list(layers_of("half-bottom", 4))
        ([8, 9, 10, 11], [0, 1])
    """
    ends = {
        "all": (0, layers),
        "bottom": (0, layers // 3),
        "mid": (layers // 3, 2 * layers // 3),
        "up": (2 * layers // 3, layers),
        "half-bottom": (0, layers // 2),
        "half-up": (layers // 2, layers),
        "top3": (max(0, layers - 3), layers),
    }
    return range(*ends[position])

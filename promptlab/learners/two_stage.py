"""2SFS: first something small inside both towers, then a cosine classifier that starts at the tuned text features.

Paper: Rethinking Few-Shot Adaptation of Vision-Language Models in Two Stages, https://arxiv.org/abs/2503.11609; code:
FarinaMatteo/rethinking_fewshot_vlms. Both stages minimise the cross-entropy of cosine logits: the first, over
``tower_share`` of all steps, of image and text features of the towers as they are tuned; the second of image features
of these, which are fixed by then, and the rows of the classifier. Every class is read in "a photo of a {}.".
What is learned, first, by ``tuning``:

- ``norms``: weight and bias of the two layer norms of every block;
- ``lora``: CLIP-LoRA's updates of queries, keys and values in every block, of rank 2, alpha 1 and dropout 0.25;
- ``bitfit``: biases, of all layer norms, of both products of the MLPs and of the one behind attention;

then a row (D,) per class, unless all steps are the first stage's (``tower_share=1``, which the authors call ln_only).
Classes that are trained on are scored by their rows, others by the tuned text tower, also where a list mixes them.
Where promptlab departs: fp32; what trains stands beside the towers, whose weights keep their bytes; prompts share the
dropout of the SOS that they share. The authors mean to train the norms outside of the blocks too, and their code
freezes them: as the code; of ``bitfit`` it trains those' biases. Image features of the second stage have no dropout.
They draw images themselves and publish the lists, which ``protocol.lists=FOLDER`` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.adapters import Adapters, BlockAdapter, copied_norms
from promptlab.clip.biases import TowerBiases
from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.low_rank import Drop, LowRankUpdates, dropping
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.prompts.written_prompts import WrittenPrompts

Tuning = Literal["norms", "lora", "bitfit"]
"""What the first stage trains."""
_DROPOUT = 0.25
"""Of ``lora``."""


class TwoStage(PromptLearner):
    """Both towers tuned on images against class texts, then a classifier (C, D) on what they give.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer of CLIP's own blocks.
        class_names: names of the C classes; underscores are read as spaces.
        text_template: the prompt of every class, whichever dataset it is of.
        tower_share: of the steps that the first stage gets; with 1 there is no classifier.
        optim: optimiser of both stages, with the steps, or epochs, of both together, and a schedule over each; the
            authors' AdamW and its 4,800 steps of 16 shots if None.
        tuning: what the first stage trains: ``norms``, ``lora`` or ``bitfit``.
        generator: source of the random start of ``lora``; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take what the first stage trains.
        ValueError: for a number out of range, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> learner = promptlab.TwoStage(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> [(stage.name, stage.optim.steps) for stage in learner.fit_plan()]
        [('norms', 2880), ('classifier', 1920)]
    """

    needs = "images"
    open_vocabulary = True
    per_class = ("classifier",)
    added_later = MappingProxyType({"tuning": "norms", "generator": None})
    classifier: nn.Parameter | None
    started: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        text_template: Template = DEFAULT_TEMPLATE,
        tower_share: Annotated[float, Interval(gt=0, le=1)] = 0.6,
        optim: Optim | None = None,
        tuning: Tuning = "norms",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.text_template, self.tower_share, self.tuning = text_template, tower_share, tuning
        self._tune(generator or torch.Generator().manual_seed(0))
        self.prompts = WrittenPrompts(clip, class_names, template=text_template)
        self.classifier = None if tower_share == 1 else self._rows_of_texts()
        self.register_buffer("started", torch.tensor(False, device=clip.device))
        self._seen_started = False
        self.optim = optim or Optim(
            name="adamw", lr=2e-4, weight_decay=0.01, steps=4800, drop_last=False, schedule="cosine_per_step",
            warmup_epochs=0, eta_min=1e-6,
        )  # fmt: skip

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names are read in the same prompt, and scored by the tuned text tower."""
        self.prompts = WrittenPrompts(self.clip, classes.names, template=self.text_template)
        if classes.indices is None and self.classifier is not None:
            self.classifier = self._rows_of_texts()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        return self.clip.logits(self.image_features(images), self.class_features())

    def scorer(self) -> Scorer:
        """The classifier with the class side computed once."""
        with torch.no_grad():
            classify = self.clip.classifier(self.class_features())
        return lambda images: classify(self.image_features(images))

    def class_features(self) -> Tensor:
        """(C, D) L2-normalised: the text tower's until the second stage has started, then the classifier's rows."""
        if self.classifier is None or not self._has_started():
            return self.text_features()
        return F.normalize(self.classifier, dim=-1)

    def text_features(self, drop: Drop | None = None) -> Tensor:
        """(C, D) L2-normalised, of the tuned text tower; ``drop`` is what a step does to what ``lora`` reads."""
        return self.prompts.encode(adapters=self._adapters("text", drop))

    def image_features(self, images: Tensor, drop: Drop | None = None) -> Tensor:
        """(B, D) L2-normalised, of images (B, 3, H, W) under the tuned image tower."""
        return self.clip.encode_images(images, adapters=self._adapters("vision", drop))

    def fit_plan(self) -> list[Stage]:
        """What tunes the towers, then the classifier if there is one."""
        name = {"norms": "norms", "lora": "updates", "bitfit": "biases"}[self.tuning]
        tuned = list(self.get_submodule(name).parameters())
        if self.classifier is None:
            return [GradientStage(name, tuned, self._loss_of_texts, self.optim)]
        first, second = _split(self.optim, self.tower_share)
        return [
            GradientStage(name, tuned, self._loss_of_texts, first),
            GradientStage("classifier", [self.classifier], self._loss_of_rows, second),
        ]

    def _tune(self, generator: torch.Generator) -> None:
        """Register what the first stage trains."""
        clip = self.clip
        blocks = {"text": clip.text_blocks, "vision": clip.vision_blocks}
        if self.tuning == "norms":
            self.norms = nn.ModuleDict({tower: copied_norms(of_tower) for tower, of_tower in blocks.items()})
        elif self.tuning == "bitfit":
            norms = {"text": clip.text_norms, "vision": clip.vision_norms}
            self.biases = nn.ModuleDict({tower: TowerBiases(blocks[tower], norms[tower]) for tower in blocks})
        else:
            widths = {"text": clip.width, "vision": clip.vision_width}
            towers = {tower: (range(len(of_tower)), widths[tower]) for tower, of_tower in blocks.items()}
            self.updates = LowRankUpdates(towers, ("q", "k", "v"), 2, 1.0, generator).to(clip.device)

    def _rows_of_texts(self) -> nn.Parameter:
        return nn.Parameter(self.text_features().detach())  # (C, D)

    def _has_started(self) -> bool:
        """Whether the second stage has; once it has, the device isn't asked again."""
        self._seen_started = self._seen_started or bool(self.started)
        return self._seen_started

    def _loss_of_texts(self, batch: Batch) -> Tensor:
        drop = dropping(_DROPOUT, batch.generator, self.clip.device) if self.tuning == "lora" else None
        logits = self.clip.logits(self.image_features(batch.inputs, drop), self.text_features(drop))
        return F.cross_entropy(logits, batch.labels)

    def _loss_of_rows(self, batch: Batch) -> Tensor:
        """In the first step the rows become the text features that the first stage has left."""
        assert self.classifier is not None
        with torch.no_grad():
            if not self._has_started():
                self.classifier.copy_(self.text_features())
                self.started.fill_(True)
            images = self.image_features(batch.inputs)
        return F.cross_entropy(self.clip.logits(images, self.class_features()), batch.labels)

    def _adapters(self, tower: str, drop: Drop | None = None) -> Adapters:
        if self.tuning == "lora":
            return self.updates.adapters(tower, drop)
        if self.tuning == "bitfit":
            biases: Any = self.biases[tower]
            own: Adapters = biases.adapters()
            return own
        layers: Any = self.norms[tower]
        pairs = [{name: (norm.weight, norm.bias) for name, norm in norms.items()} for norms in layers]
        return {i: BlockAdapter(ln_1=pair["ln_1"], ln_2=pair["ln_2"]) for i, pair in enumerate(pairs)}


def _split(optim: Optim, share: float) -> tuple[Optim, Optim]:
    """The two stages' parts of all steps, or of all epochs where these are given."""
    total = optim.epochs if optim.steps is None else optim.steps
    first = max(1, int(share * total))
    lengths = first, max(1, total - first)
    if optim.steps is None:
        return replace(optim, epochs=lengths[0]), replace(optim, epochs=lengths[1])
    return replace(optim, steps=lengths[0]), replace(optim, steps=lengths[1])

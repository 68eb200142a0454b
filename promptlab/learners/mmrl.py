"""MMRL: representation tokens, shared by both towers, that join each behind its first token from a later layer on.

Paper: Multi-Modal Representation Learning for Vision-Language Models, https://arxiv.org/abs/2503.08497; code:
yunncheng/MMRL. K tokens (K, R) are projected for each of the layers ``first_layer`` to ``last_layer`` and either tower,
stand behind SOS in the hand-written prompt and behind the class token of the image, and are replaced in every layer.
f (B, D) is the image's feature, r (B, D) the mean of what its tokens became through a projection of their own, g (C, D)
the text's; e and h are the plain CLIP's of the same view and prompt. With z, z_r the logits of f, r against g:

``alpha CE(z, y) + (1 - alpha) CE(z_r, y) + weight (1 - mean cos(f, e)) + weight (1 - mean cos(g, h))``

Classes that are trained on are scored by ``alpha z + (1 - alpha) z_r``; others, and all of another dataset, by z.
What is learned: the tokens, a linear map for each layer and tower, the projection (V, D) of the tokens' mean.
Where promptlab departs: fp32, a generator of its own; logits have the backbone's scale (theirs 100, which is OpenAI's);
in a list of known and other classes each is scored by its own rule.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Self

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP, ImageStates, StatesPrecision
from promptlab.clip.inserted import Inserted
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, ClassTexts, Template
from promptlab.prompts.written_prompts import WrittenPrompts

Layer = Annotated[int, Interval(ge=1, le=100)]
TokenCount = Annotated[int, Interval(ge=1, le=1000)]
RepWidth = Annotated[int, Interval(ge=1, le=100_000)]
Share = Annotated[float, Interval(ge=0, le=1)]
Weight = Annotated[float, Interval(ge=0, le=10_000)]


class RepresentationLearner(PromptLearner):
    """What MMRL and MMRL++ share: two features of an image, one of a class, and how they are trained and scored.

    A subclass says what tokens become for each layer, and through what their mean is projected.
    """

    balances = True
    needs = "images"
    open_vocabulary = True
    crop_scale = (0.5, 1.0)
    added_later = MappingProxyType({"keep_states": None})
    per_class = ("prompts", "texts", "trained_on")
    trained_on: Tensor
    """(C,) 1 for classes that are scored by both features, 0 for others."""

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: str,
        layers: tuple[int, int],
        alpha: float,
        weight: float,
        optim: Optim,
        keep_states: StatesPrecision | None,
    ) -> None:
        super().__init__(clip, class_names)
        most = min(clip.text_layers, clip.vision_layers)
        if layers[1] > most:
            raise ValueError(f"last_layer={layers[1]}: {clip.name} has {clip.text_layers} text layers and "
                             f"{clip.vision_layers} image layers, {most} can have tokens")  # fmt: skip
        self.layers = range(layers[0] - 1, layers[1])  # 0-based
        self.alpha, self.weight, self.optim = alpha, weight, optim
        self.keeps_states = None if keep_states is None else ImageStates(self.layers[0], keep_states)
        self.prompts = WrittenPrompts(clip, class_names, template=template)
        self.texts = ClassTexts(clip, class_names, template=template)
        self.register_buffer("trained_on", torch.ones(len(self.class_names), device=clip.device), persistent=False)

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse layers that end before they begin."""
        first, last = arguments["first_layer"], arguments["last_layer"]
        if first > last:
            raise ValueError(
                f"first_layer={first} is above last_layer={last}: tokens join at one and stay to the other"
            )

    @abstractmethod
    def inserted(self, tower: str) -> Inserted:
        """What the ``text`` or ``vision`` tower gets."""

    @abstractmethod
    def head(self) -> Tensor:
        """(V, D): through what the mean of the tokens is projected."""

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names are classes that it wasn't trained on."""
        if classes.indices is None:
            self.trained_on = torch.zeros(len(classes.names), device=self.clip.device)

    def tested_on(self, dataset: str, source: str) -> Self:
        """On another dataset's images all classes are scored as new ones, whatever they are called."""
        if dataset == source:
            return self
        other = self.copied()
        other.trained_on = torch.zeros_like(self.trained_on)
        return other

    def learned_tensors(self) -> Mapping[str, Tensor]:
        """What is trained, and ``trained_on`` where it leaves out a class."""
        own = super().learned_tensors()
        return own if self.trained_on.all() else {**own, "trained_on": self.trained_on}

    def take_shapes(self, tensors: Mapping[str, Tensor]) -> None:
        """Make place for the saved ``trained_on``, which only a learner with new classes has."""
        super().take_shapes(tensors)
        if "trained_on" in tensors:
            self.trained_on = torch.zeros_like(self.trained_on)

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised: g."""
        return self.prompts.encode(inserted=self.inserted("text"))

    def image_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of images (B, 3, H, W), or of their states: f and r, (B, D) each and L2-normalised."""
        return self._both(images, self.inserted("vision"), self.head())

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        texts = self.text_features()
        return self._fused(*(self.clip.logits(features, texts) for features in self.image_features(images)))

    def scorer(self) -> Scorer:
        """The classifier with texts and tokens computed once."""
        with torch.no_grad():
            classify = self.clip.classifier(self.text_features())
            inserted, head = self.inserted("vision"), self.head()
        return lambda images: self._fused(*map(classify, self._both(images, inserted, head)))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of both features, and what the first and the texts lose of the plain CLIP's."""
        states, plain = self._below(batch.inputs)
        texts, (features, of_tokens) = self.text_features(), self.image_features(states)
        first, second = (
            self.balance.cross_entropy(self.clip.logits(own, texts), batch.labels) for own in (features, of_tokens)
        )
        far = _distance(features, plain) + _distance(texts, self.texts.features)
        return self.alpha * first + (1 - self.alpha) * second + self.weight * far

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over all that is learned."""
        return [GradientStage("tokens", list(self.parameters()), self.loss, self.optim)]

    def _below(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What stands before the first layer with tokens, the same for both features, and e (B, D)."""
        if inputs.ndim == 2:  # rows of states
            states, plain = self.clip.states_of(inputs)
            return states, F.normalize(plain, dim=-1)
        states = self.clip.image_states(inputs, self.layers[0])
        return states, self.clip.encode_image_states(states, self.layers[0])

    def _both(self, images: Tensor, inserted: Inserted, head: Tensor) -> tuple[Tensor, Tensor]:
        features, tokens = self.clip.encode_image_tokens(images, inserted)  # (B, D), (B, K, V)
        return F.normalize(features, dim=-1), F.normalize(tokens.mean(1) @ head, dim=-1)

    def _fused(self, logits: Tensor, of_tokens: Tensor) -> Tensor:
        """(B, C): both logits for classes that are trained on, the first alone for others."""
        return logits + (1 - self.alpha) * self.trained_on * (of_tokens - logits)


class MMRL(RepresentationLearner):
    """A linear map of its own for each layer and tower, all of a tower's alike at the start.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        n_tokens: K, representation tokens.
        rep_dim: R, their width.
        first_layer: before which they join the sequences, counted from 1.
        last_layer: before which they are replaced for the last time.
        alpha: how much the image's feature counts beside its tokens'.
        weight: of the distance from the plain CLIP's features.
        optim: optimiser and schedule; AdamW for 10 epochs in batches of 4, as in base-to-new, if None.
        keep_states: with a number of views, what lies below ``first_layer`` in the image tower is encoded once for each
            view and kept in this precision; None encodes fresh views in every step.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take tokens.
        ValueError: for layers that the towers don't have, a number out of range, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> layers = {"first_layer": 3, "last_layer": 4}
        >>> learner = promptlab.MMRL(promptlab.load_clip("demo"), ["red circle", "blue star"], **layers)
        >>> sorted(learner.inserted("text").vectors), learner.inserted("text").vectors[2].shape  # 0-based, (K, E)
        ([2, 3], torch.Size([5, 128]))
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        n_tokens: TokenCount = 5,
        rep_dim: RepWidth = 512,
        first_layer: Layer = 6,
        last_layer: Layer = 12,
        alpha: Share = 0.7,
        weight: Weight = 0.5,
        optim: Optim | None = None,
        keep_states: StatesPrecision | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            clip, class_names, template=template, layers=(first_layer, last_layer), alpha=alpha, weight=weight,
            optim=optim or Optim(name="adamw", lr=1e-3, epochs=10, batch_size=4), keep_states=keep_states,
        )  # fmt: skip
        generator = generator or torch.Generator().manual_seed(0)
        self.tokens = nn.Parameter(0.02 * torch.randn(n_tokens, rep_dim, generator=generator))
        self.projections = nn.ModuleDict()
        for tower, width in (("text", clip.width), ("vision", clip.vision_width)):
            one = linear(rep_dim, width, generator)
            self.projections[tower] = nn.ModuleList(copy.deepcopy(one) for _ in self.layers)
        V = clip.vision_width
        self.token_head = nn.Parameter(torch.randn(V, clip.dim, generator=generator) * V**-0.5)
        self.to(clip.device)

    def inserted(self, tower: str) -> Inserted:
        """What the ``text`` or ``vision`` tower gets."""
        projections: Any = self.projections[tower]
        return Inserted({i: project(self.tokens) for i, project in zip(self.layers, projections, strict=True)})

    def head(self) -> Tensor:
        """(V, D): through what the mean of the tokens is projected."""
        return self.token_head

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        start = "representation_learner.compound_rep_tokens"
        maps = {
            f"projections.{tower}.{j}.{part}": f"{start}_r2{tower[0]}proj.{j}.{part}"
            for tower in self.projections
            for j in range(len(self.layers))
            for part in ("weight", "bias")
        }
        return {"tokens": start, "token_head": "image_encoder.proj_rep"} | maps


def _distance(learned: Tensor, plain: Tensor) -> Tensor:
    """One minus the mean cosine of rows that are L2-normalised."""
    return 1 - (learned * plain).sum(-1).mean()

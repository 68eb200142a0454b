"""CoPrompt: MaPLe with an adapter behind each tower, held to what the frozen CLIP makes of other words and views.

Paper: Consistency-guided Prompt Learning for Vision-Language Models, https://arxiv.org/abs/2306.01195; code:
ShuvenduRoy/CoPrompt. With x (B, D), w (C, D) MaPLe's features of the image and the classes, a(v) = relu(W2 relu(W0 v)):

``f = normalise(0.1 a_image(x) + 0.9 x)``,  ``g = normalise(0.2 a_text(w) + 0.8 w)``

are compared. An image is seen in two random views: f is of the first, e the plain CLIP's feature of the second. h^k is
the plain CLIP's feature of the k-th sentence about each class, k drawn once a step for all classes:

``CE(z, y) + weight (1 - mean_c cos(g_c, h^k_c) + 1 - mean_i cos(f_i, e_i))``

What is learned: MaPLe's prompts and maps, and W0 (D/4, D), W2 (D, D/4) of either tower.
Where promptlab departs: as MaPLe; adapters read L2-normalised features, which gives the same f and g, since without
biases a(s v) = s a(v) for s > 0. Without sentences (``prompts``) the dataset's hand-written prompt is the one that
teaches. The authors' depth, vectors and weight by dataset are a table in the YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.image.tower import ImagePrompts
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.coprompt.rand_augment import RandAugmentView
from promptlab.learners.maple import MaPLe
from promptlab.prompts.class_texts import (
    DEFAULT_TEMPLATE,
    PromptSet,
    Template,
    encode_many,
    equal_sentences,
    load_prompt_set,
)
from promptlab.prompts.starting_context import ContextLength, ContextWords

Sentences = tuple[tuple[str, ...], ...]
"""K about each of C classes."""
IMAGE_SHARE, TEXT_SHARE = 0.1, 0.2
"""Of an adapter in the feature; literals of the authors' code."""


class CoPrompt(MaPLe):
    """MaPLe with adapters, trained by cross-entropy and by consistency with the frozen CLIP.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, as MaPLe's.
        ctx_init: words to start from, as MaPLe's.
        depth: layers with prompts, from the first.
        template: the dataset's hand-written prompt, which teaches where there are no sentences.
        prompts: K sentences about each class: a JSON file of class name to list of sentences, or such a mapping.
        weight: of the two consistencies.
        optim: optimiser and schedule; 8 epochs in batches of 4 at learning rate 0.0035, as the authors, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take prompts.
        ValueError: as MaPLe, or for a template without ``{}``.
        DatasetError: if the sentences can't be read, lack classes, or are more for one class than for another.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> sentences = {"red circle": ["It is round.", "A red one."], "blue star": ["It has points.", "A blue one."]}
        >>> learner = promptlab.CoPrompt(clip, list(sentences), depth=3, prompts=sentences)
        >>> learner.teacher_texts().shape  # (C, K, D)
        torch.Size([2, 2, 128])
    """

    balances = True
    file_arguments = ("prompts",)
    per_class = ("sentences",)
    sides = PromptLearner.sides  # a learner around it would train without the consistency, which needs two views

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength | None = 2,
        ctx_init: ContextWords | None = "a photo of a",
        depth: Annotated[int, Interval(ge=1, le=100)] = 9,
        template: Template = DEFAULT_TEMPLATE,
        prompts: PromptSet | None = None,
        weight: Annotated[float, Interval(ge=0, le=10_000)] = 1.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        generator = generator or torch.Generator().manual_seed(0)
        optim = optim or Optim(lr=0.0035, batch_size=4, epochs=8, warmup_epochs=1)
        super().__init__(clip, class_names, n_ctx=n_ctx, ctx_init=ctx_init, depth=depth, optim=optim,
                         generator=generator)  # fmt: skip
        self.weight = weight
        self.image_adapter, self.text_adapter = _adapter(clip, generator), _adapter(clip, generator)
        self.sentences = _filled(template, class_names)
        if prompts is not None:
            given = load_prompt_set(prompts)
            self.sentences = equal_sentences(given, class_names)
            self.arguments = {**self.arguments, "prompts": given}
        self._taught: tuple[Sentences, Tensor] | None = None

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names are taught by the hand-written prompt of their dataset."""
        if classes.indices is None and classes.template is not None:
            self.sentences = _filled(classes.template, classes.names)
            self.arguments = {key: value for key, value in self.arguments.items() if key != "prompts"}

    def text_features(self, *, normalised: bool = True) -> Tensor:
        """(C, D) L2-normalised behind the adapter, or of the length that it gives them."""
        return _mixed(super().text_features(normalised=normalised), self.text_adapter, TEXT_SHARE, normalised)

    def image_features(self, images: Tensor, prompts: ImagePrompts | None = None, *, normalised: bool = True) -> Tensor:
        """(B, D) of images (B, 3, H, W), behind the adapter; arguments as of MaPLe's."""
        features = super().image_features(images, prompts, normalised=normalised)
        return _mixed(features, self.image_adapter, IMAGE_SHARE, normalised)

    def teacher_texts(self) -> Tensor:
        """(C, K, D) L2-normalised: the plain CLIP's of the sentences, made when they are first asked for."""
        if self._taught is None or self._taught[0] is not self.sentences:
            flat = [sentence for of_class in self.sentences for sentence in of_class]
            self._taught = self.sentences, encode_many(self.clip, flat).view(len(self.sentences), -1, self.clip.dim)
        return self._taught[1]

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, and what is lost of the plain CLIP's features of other words and of the second view.

        Args:
            batch: with two views of each image, (B, 2, 3, H, W).
        """
        first, second = batch.inputs.unbind(1)
        with torch.no_grad():
            taught, other = self.teacher_texts(), self.clip.encode_images(second)
            k = int(torch.randint(taught.shape[1], (), generator=batch.generator))
        images, texts = self.image_features(first), self.text_features()
        lost = (1 - (texts * taught[:, k]).sum(-1).mean()) + (1 - (images * other).sum(-1).mean())
        return self.balance.cross_entropy(self.clip.logits(images, texts), batch.labels) + self.weight * lost

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        adapters = {
            f"{tower}_adapter.{layer}.weight": f"adapter_{tower}.fc.{layer}.weight"
            for tower in ("image", "text")
            for layer in (0, 2)
        }
        return super().authors_names() | adapters

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over prompts, maps and adapters, on two random views of each image."""
        view = RandAugmentView(self.clip.image_size, self.clip.image_mean, self.clip.image_std)
        return [GradientStage("prompts", list(self.parameters()), self.loss, self.optim, views=(view, view))]


def _filled(template: str, class_names: Sequence[str]) -> Sentences:
    return tuple((template.replace("{}", name.replace("_", " ")),) for name in class_names)


def _adapter(clip: FrozenCLIP, generator: torch.Generator) -> nn.Sequential:
    hidden = max(1, clip.dim // 4)
    there = linear(clip.dim, hidden, generator, bias=False, device=clip.device)
    back = linear(hidden, clip.dim, generator, bias=False, device=clip.device)
    return nn.Sequential(there, nn.ReLU(), back, nn.ReLU())


def _mixed(features: Tensor, adapter: nn.Module, share: float, normalised: bool) -> Tensor:
    """Features (N, D) with a share of what the adapter makes of them."""
    mixed = share * adapter(features) + (1 - share) * features
    return F.normalize(mixed, dim=-1) if normalised else mixed

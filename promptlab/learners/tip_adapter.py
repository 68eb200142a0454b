"""Tip-Adapter: the training images as a cache beside zero-shot CLIP, as it is or with its keys trained.

Paper: Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, https://arxiv.org/abs/2111.03930; code:
gaopengcuhk/Tip-Adapter.
What is learned: nothing but a cache (keys are image features, values their classes) and two numbers searched on
validation images; Tip-Adapter-F also trains the keys.
Where promptlab departs: a key is the mean of as many views as ``views`` says (the authors' ten are drawn anew and
averaged before they are normalised, promptlab's are normalised first); F trains on the same cached views instead of
fresh ones, and keeps the last epoch, where the authors keep the one with the best TEST accuracy and report the better
of that and the searched result; the scale is the backbone's own instead of 100. The authors search on the whole
validation split (``val=full``), and their settings differ between datasets (EuroSAT: alpha 2, scale 12 and 10, 100
epochs): ``experiment=tip_adapter_few_shot`` and ``tip_adapter_f_few_shot`` have them, the defaults here are those of
ImageNet and Oxford Pets. On ImageNet they search on the TEST images (``val=test``, and marked), and read the classes in
CLIP's seven best prompts (``templates="select_only"``).
Classes without training images have no keys, so both score new classes exactly as zero-shot CLIP does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

import torch
from annotated_types import Gt, Interval, Le, doc
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage, Stage
from promptlab.learners.tip_search import best_pair, cache_logits, grid
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates
from promptlab.support.words import counted

Weight = Annotated[float, Interval(ge=0, le=1_000_000)]
_End = Annotated[float, Gt(0.1), Le(10_000)]
Ends = Annotated[tuple[_End, _End], doc("a list of the upper ends of beta and alpha, numbers above 0.1 and to 10,000,")]
_Count = Annotated[int, Interval(ge=1, le=1000)]
Counts = Annotated[tuple[_Count, _Count], doc("a list of how many values of beta and alpha, from 1 to 1,000 each,")]

_NOT_CACHED = -1
"""Where a scored class has no keys: a label that none of them has."""


class TipAdapter(ReadsTexts, PromptLearner):
    """Zero-shot logits plus the votes of similar training images: ``scale f W + alpha exp(-beta (1 - f K)) V``.

    ``keys`` are N normalised image features (N, D) and ``labels`` their classes (N,), both empty before the fit;
    ``alpha`` and ``beta`` are what the search found.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        alpha: weight of the cache before the search, at least 0.
        beta: sharpness of the cache before the search, at least 0.
        search: look for alpha and beta on the validation images.
        search_scale: upper end (left out) of the searched beta and alpha; both begin at 0.1.
        search_step: how many values of beta and of alpha are tried.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.TipAdapter(clip, ["red circle", "blue star"], alpha=1.0, beta=5.5)
        >>> [stage.name for stage in learner.fit_plan()]
        ['cache', 'search']
    """

    open_vocabulary = True
    keeps_images = True
    per_class = ("columns",)
    crop_scale = (0.5, 1.0)
    searches = True
    keys: Tensor
    labels: Tensor
    alpha: Tensor
    beta: Tensor
    columns: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        alpha: Weight = 1.17,
        beta: Weight = 1.0,
        search: bool = True,
        search_scale: Ends = (7, 3),
        search_step: Counts = (200, 20),
    ) -> None:
        super().__init__(clip, class_names)
        self.search, self.search_scale, self.search_step = search, tuple(search_scale), tuple(search_step)
        self._initial = (alpha, beta)
        self.read_texts(template, templates, prompts)
        self._hold(torch.empty(0, clip.dim, device=clip.device))
        self.register_buffer("labels", torch.empty(0, dtype=torch.int64, device=clip.device))
        self.register_buffer("alpha", torch.tensor(float(alpha), device=clip.device))
        self.register_buffer("beta", torch.tensor(float(beta), device=clip.device))
        # the label of the keys that vote for each of the C columns; follows from the names, so it isn't saved
        self.register_buffer("columns", torch.arange(len(class_names), device=clip.device), persistent=False)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return self._scorer()(image_features)

    def scorer(self) -> Scorer:
        """Text classifier and values built once."""
        return self._scorer()

    def fit_plan(self) -> list[Stage]:
        """The cache, then the search."""
        return [ClosedFormStage("cache", self._fill), *self._search_stage()]

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names have no keys, which leaves zero-shot CLIP; other classes' keys have no vote."""
        if classes.indices is None:
            self.columns = self.columns.new_full((len(classes.names),), _NOT_CACHED)

    def with_class(
        self, name: str, images: Tensor, others: Tensor, template: str = DEFAULT_TEMPLATE
    ) -> tuple[Self, str]:
        """The class's text beside the others, and a key for each of its images, (n, D)."""
        grown = self.extend((*self.class_names, name), template)
        grown._hold(torch.cat([self.keys.detach(), F.normalize(images.to(self.keys), dim=-1)]))
        grown.labels = torch.cat([self.labels, self.labels.new_full((len(images),), len(self.class_names))])
        grown.columns = torch.arange(len(grown.class_names), device=self.columns.device)
        keys = f"{counted(len(images), 'key')} beside the cache's {len(self.keys):,}"
        return grown, f"its text, and {keys}; alpha and beta stay"

    def take_shapes(self, tensors: Mapping[str, Tensor]) -> None:
        """Give keys and labels the saved ones' rows.

        Raises:
            ValueError: if the saved keys and labels don't belong together, or a label is none of the classes.
        """
        keys, labels = tensors.get("keys"), tensors.get("labels")
        if keys is not None and labels is not None:
            if len(keys) != len(labels):
                raise ValueError(f"keys and labels should have equal rows, these have {len(keys)} and {len(labels)}")
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.class_names):
                raise ValueError(f"labels should be 0 to {len(self.class_names) - 1}")
        super().take_shapes(tensors)

    def _hold(self, keys: Tensor) -> None:
        """Register the keys (N, D)."""
        self.register_buffer("keys", keys)

    def _scorer(self) -> Scorer:
        """What ``forward`` and ``scorer`` do, so that either can be overridden with the other in it."""
        zero_shot, values = self.clip.classifier(self.text_features()), self._values()

        def score(image_features: Tensor) -> Tensor:
            votes = cache_logits(image_features @ self.keys.T, values, self.beta)
            return zero_shot(image_features) + self.alpha * votes

        return score

    def _values(self) -> Tensor:
        """(N, C), 1 where a key is of a column's class; a row of another class's key is 0."""
        return (self.labels.unsqueeze(1) == self.columns).float()

    def _search_stage(self) -> list[Stage]:
        if not self.search:
            return []
        without = "learner.search=false"
        return [ClosedFormStage("search", self._search, searches="alpha and beta", unsearched=without)]

    def _fill(self, train: Batch, val: Batch | None) -> None:
        """A key per training item, from its K views."""
        self.keys.data = F.normalize(train.inputs.float().mean(1), dim=-1)  # (N, K, D) to (N, D)
        self.labels.data = train.labels.clone()
        self.alpha.fill_(self._initial[0])
        self.beta.fill_(self._initial[1])

    def _search(self, train: Batch, val: Batch | None) -> None:
        """The best alpha and beta on the validation items."""
        assert val is not None
        betas, alphas = (grid(end, steps) for end, steps in zip(self.search_scale, self.search_step, strict=True))
        zero_shot, similarities = self.clip.classifier(self.text_features())(val.inputs), val.inputs @ self.keys.T
        alpha, beta = best_pair(zero_shot, similarities, self._values(), val.labels, alphas, betas)
        self.alpha.fill_(alpha)
        self.beta.fill_(beta)


class TipAdapterF(TipAdapter):
    """Tip-Adapter whose keys are trained, at the initial alpha and beta, between filling the cache and the search.

    Args:
        clip: the frozen backbone; all but the optimiser as for :class:`TipAdapter`.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt.
        templates: other prompts instead.
        prompts: sentences about each class instead.
        alpha: weight of the cache while training, and before the search.
        beta: sharpness of the cache while training, and before the search.
        search: look for alpha and beta on the validation images, after training.
        search_scale: upper end of the searched beta and alpha.
        search_step: how many values of beta and of alpha are tried.
        optim: optimiser and schedule; AdamW for 20 epochs with a cosine per step, as the paper, if None.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.TipAdapterF(clip, ["red circle", "blue star"], alpha=1.0, beta=5.5)
        >>> [stage.name for stage in learner.fit_plan()]
        ['cache', 'keys', 'search']
    """

    keys: nn.Parameter

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        alpha: Weight = 1.17,
        beta: Weight = 1.0,
        search: bool = True,
        search_scale: Ends = (7, 3),
        search_step: Counts = (200, 20),
        optim: Optim | None = None,
    ) -> None:
        super().__init__(
            clip, class_names, template=template, templates=templates, prompts=prompts, alpha=alpha, beta=beta,
            search=search, search_scale=search_scale, search_step=search_step,
        )  # fmt: skip
        self.optim = optim or Optim(
            name="adamw", lr=1e-3, eps=1e-4, weight_decay=0.01, epochs=20, batch_size=256, drop_last=False,
            schedule="cosine_per_step", warmup_epochs=0,
        )  # fmt: skip

    def fit_plan(self) -> list[Stage]:
        """The cache, its keys by gradient descent, then the search."""
        train = GradientStage("keys", [self.keys], self.loss, self.optim)
        return [ClosedFormStage("cache", self._fill), train, *self._search_stage()]

    def _hold(self, keys: Tensor) -> None:
        """Register the keys (N, D) as a parameter."""
        self.register_parameter("keys", nn.Parameter(keys))

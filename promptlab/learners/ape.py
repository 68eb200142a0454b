"""APE: Tip-Adapter on the channels that tell classes apart, each cached image's vote weighted by how its text fails.

Paper: Not All Features Matter: Enhancing Few-shot CLIP with Adaptive Prior Refinement,
https://arxiv.org/abs/2304.01195; code: yangyangyang127/APE. With W (C, D) the text features, F (N, D) the keys, each
the normalised mean of the raw features of an image's views, and V (N, C) their classes:

- channels: the ``kept`` share of D with the largest ``-w1 sim_d + w2 var_c(W_cd)``, ``sim_d`` being the mean of
  ``x_d y_d`` over all pairs of rows of W and F of different classes; primes are cut to them and normalised again;
- ``KL_i = sum_c v_ic log2((v_ic + 1e-6) / (p_ic + 1e-6))`` with ``p_i = softmax(F'_i W')``, without a temperature;
- APE: ``scale f W + alpha exp(-beta (1 - f' F')) (V exp(gamma KL))``, the three numbers searched on validation images;
- APE-T: a residual of each class (C, kept D) is added to the channels of its text feature and keys, which aren't
  normalised again, and the votes of key i count ``u_i``: ``scale f W~ + alpha exp(-beta (1 - f F~)) (V u)``, trained by
  cross-entropy, then alpha and beta are searched. Its sim_d is that of the rows of W alone.

What is learned: nothing by APE; residuals and u by APE-T.
Where promptlab departs: templates or sentences, not both in one mean (list the filled template among the sentences);
keys are the mean of as many views as ``views`` says (theirs: ten), on which APE-T trains as well (theirs are drawn anew
in every epoch); their validation images are the whole split (``val=full``); the scale is the backbone's (theirs: 100);
the authors set w1, w2, the channels, the ends of the search and APE-T's recipe by hand for each dataset, looking at
what isn't said, and search ImageNet's alpha, beta and gamma on test images: the defaults are one setting for all, and
``learner=ape_published`` is theirs by dataset, marked in Results; APE-T keeps the last epoch (theirs: the best on
validation), has the text's similarity that the code means but reads APE's for, and fp32 parameters.
Classes without training images have no keys, so new classes are scored as zero-shot CLIP does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import torch
from annotated_types import Gt, Interval, Le, doc
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.learner import Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage, Stage
from promptlab.learners.tip_adapter import TipAdapter, Weight
from promptlab.learners.tip_search import best_of, best_pair, cache_logits, grid
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

_SMALL = 1e-6
_End = Annotated[float, Gt(0.1), Le(10_000)]
_Ends = Annotated[
    tuple[_End, _End, _End], doc("a list of the upper ends of beta, alpha and gamma, numbers above 0.1 and to 10,000,")
]
_Count = Annotated[int, Interval(ge=1, le=1000)]
_Counts = Annotated[
    tuple[_Count, _Count, _Count], doc("a list of how many values of beta, alpha and gamma, from 1 to 1,000 each,")
]
_Share = Annotated[float, Gt(0), Le(1)]
_Pair = Annotated[tuple[Weight, Weight], doc("a list of two numbers from 0 to 1,000,000")]


class APE(TipAdapter):
    """Zero-shot logits plus the weighted votes of similar training images, on chosen channels.

    ``keys`` (N, D) and ``labels`` (N,) are Tip-Adapter's, ``channels`` the chosen ones in order, ``divergence`` (N,) is
    KL; ``alpha``, ``beta`` and ``gamma`` are what the search found.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        weights: w1 of the similarity between classes and w2 of the variance.
        kept: share of the channels that is kept.
        alpha: weight of the cache before the search.
        beta: sharpness of the cache before the search.
        gamma: how much a key's KL counts, before the search.
        search: look for the three on the validation images.
        search_scale: upper ends (left out) of beta, alpha and gamma; the first two begin at 0.1, gamma at 0.
        search_step: how many values of each are tried.
        published: whether these numbers are the authors' for the dataset; Results are then marked.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> learner = promptlab.APE(promptlab.load_clip("demo"), ["red circle", "blue star"], kept=0.5)
        >>> [stage.name for stage in learner.fit_plan()]
        ['cache', 'search']
    """

    normalised = False
    channels: Tensor
    divergence: Tensor
    gamma: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        weights: _Pair = (0.5, 0.5),
        kept: _Share = 0.7,
        alpha: Weight = 1.0,
        beta: Weight = 1.0,
        gamma: Weight = 0.1,
        search: bool = True,
        search_scale: _Ends = (7, 7, 1),
        search_step: _Counts = (200, 20, 20),
        published: bool = False,
    ) -> None:
        super().__init__(
            clip, class_names, template=template, templates=templates, prompts=prompts, alpha=alpha, beta=beta,
            search=search, search_scale=search_scale[:2], search_step=search_step[:2],
        )  # fmt: skip
        self.weights, self.selected_on_test = tuple(weights), published
        self._gamma, self._gammas = gamma, (search_scale[2], search_step[2])
        self.register_buffer("channels", torch.arange(max(1, round(kept * clip.dim)), device=clip.device))
        self.register_buffer("divergence", torch.empty(0, device=clip.device))
        self.register_buffer("gamma", torch.tensor(float(gamma), device=clip.device))

    def with_class(
        self, name: str, images: Tensor, others: Tensor, template: str = DEFAULT_TEMPLATE
    ) -> tuple[Self, str]:
        """As Tip-Adapter, each new key with its KL over all classes; the channels stay."""
        grown, made = super().with_class(name, images, others, template)
        grown.divergence = torch.cat([self.divergence, grown._divergences()[len(self.keys) :]])
        return grown, made

    def _scorer(self) -> Scorer:
        zero_shot, keys = self.clip.classifier(self.text_features()), self._cut(self.keys)
        values = self._values() * torch.exp(self.gamma * self.divergence).unsqueeze(1)

        def score(image_features: Tensor) -> Tensor:
            votes = torch.exp(-self.beta * (1 - self._cut(image_features) @ keys.T)) @ values
            return zero_shot(F.normalize(image_features, dim=-1)) + self.alpha * votes

        return score

    def _cut(self, features: Tensor) -> Tensor:
        """Features (n, D) of any length on the chosen channels, L2-normalised."""
        return F.normalize(features[:, self.channels], dim=-1)

    def _fill(self, train: Batch, val: Batch | None) -> None:
        super()._fill(train, val)
        texts = self.text_features()
        scores = criterion(similarity(texts, *self._compared()), texts, *self.weights)
        self.channels.data = scores.topk(len(self.channels)).indices
        self.divergence.data = self._divergences()
        self.gamma.fill_(self._gamma)

    def _divergences(self) -> Tensor:
        """(N,): KL of each key."""
        predicted = (self._cut(self.keys) @ self._cut(self.text_features()).T).softmax(-1)
        values = self._values()
        return (values * torch.log2((values + _SMALL) / (predicted + _SMALL))).sum(-1)

    def _compared(self) -> tuple[Tensor, Tensor]:
        """The keys (N, D) and their labels, which the texts are compared with."""
        return self.keys, self.labels

    def _search(self, train: Batch, val: Batch | None) -> None:
        """The best alpha, beta and gamma on the validation items."""
        assert val is not None
        betas, alphas = (grid(end, steps) for end, steps in zip(self.search_scale, self.search_step, strict=True))
        end, steps = self._gammas
        gammas = [i * end / steps for i in range(steps)]
        zero_shot = self.clip.classifier(self.text_features())(F.normalize(val.inputs, dim=-1))
        values = [self._values() * torch.exp(gamma * self.divergence).unsqueeze(1) for gamma in gammas]
        similarities = self._cut(val.inputs) @ self._cut(self.keys).T
        alpha, beta, which = best_of(zero_shot, similarities, values, val.labels, alphas, betas)
        self.alpha.fill_(alpha)
        self.beta.fill_(beta)
        self.gamma.fill_(gammas[which])


class APET(APE):
    """APE-T: the same cache with a residual ``residuals`` (C, k) per class and a weight ``votes`` (N, 1) per key.

    Args:
        clip: the frozen backbone; all but the optimiser as for :class:`APE`.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt.
        templates: other prompts instead.
        prompts: sentences about each class instead.
        weights: w1 of the similarity between classes and w2 of the variance.
        kept: share of the channels that get residuals.
        alpha: weight of the cache while training, and before the search.
        beta: sharpness of the cache while training, and before the search.
        search: look for alpha and beta on the validation images, after training.
        search_scale: upper ends of the searched beta, alpha and gamma, of which the last is not used.
        search_step: how many values of each are tried, likewise.
        published: whether these numbers are the authors' for the dataset; Results are then marked.
        optim: optimiser and schedule; AdamW for 30 epochs with a cosine per step if None.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> learner = promptlab.APET(promptlab.load_clip("demo"), ["red circle", "blue star"], kept=0.5)
        >>> learner.residuals.shape, [stage.name for stage in learner.fit_plan()]
        (torch.Size([2, 64]), ['cache', 'residuals', 'search'])
    """

    per_class = ("residuals",)
    residuals: nn.Parameter
    votes: nn.Parameter

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        weights: _Pair = (0.5, 0.5),
        kept: _Share = 0.7,
        alpha: Weight = 1.0,
        beta: Weight = 1.0,
        search: bool = True,
        search_scale: _Ends = (7, 7, 1),
        search_step: _Counts = (200, 20, 20),
        published: bool = False,
        optim: Optim | None = None,
    ) -> None:
        super().__init__(
            clip, class_names, template=template, templates=templates, prompts=prompts, weights=weights, kept=kept,
            alpha=alpha, beta=beta, search=search, search_scale=search_scale, search_step=search_step,
            published=published,
        )  # fmt: skip
        self.residuals = nn.Parameter(torch.zeros(len(class_names), len(self.channels), device=clip.device))
        self.votes = nn.Parameter(torch.empty(0, 1, device=clip.device))
        self.optim = optim or Optim(
            name="adamw", lr=1e-3, eps=1e-3, weight_decay=0.1, epochs=30, batch_size=256, drop_last=False,
            schedule="cosine_per_step", warmup_epochs=0,
        )  # fmt: skip

    def fit_plan(self) -> list[Stage]:
        """The cache, its residuals by gradient descent, then the search."""
        train = GradientStage("residuals", [self.residuals, self.votes], self.loss, self.optim)
        return [ClosedFormStage("cache", self._fill), train, *self._search_stage()]

    def with_class(
        self, name: str, images: Tensor, others: Tensor, template: str = DEFAULT_TEMPLATE
    ) -> tuple[Self, str]:
        """As APE; the new class begins as the others did, its residual at 0 and each key's vote at 1."""
        grown, made = super().with_class(name, images, others, template)
        grown.votes = nn.Parameter(torch.cat([self.votes, self.votes.new_ones(len(images), 1)]))
        return grown, made

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names have neither keys nor residuals."""
        super().classes_changed(classes)
        if classes.indices is None:
            self.residuals = nn.Parameter(self.residuals.new_zeros(len(classes.names), len(self.channels)))

    def _scorer(self) -> Scorer:
        zero_shot, values = self.clip.classifier(self._texts()), self._values() * self.votes
        keys = self._keys()

        def score(image_features: Tensor) -> Tensor:
            f = F.normalize(image_features, dim=-1)
            return zero_shot(f) + self.alpha * cache_logits(f @ keys.T, values, self.beta)

        return score

    def _texts(self) -> Tensor:
        """(C, D) with the residuals."""
        return self.text_features().index_add(1, self.channels, self.residuals)

    def _keys(self) -> Tensor:
        """(N, D), each with the residual of its class; keys of classes that aren't scored as they are."""
        return self.keys.index_add(1, self.channels, (self._values() @ self.residuals).to(self.keys.dtype))

    def _fill(self, train: Batch, val: Batch | None) -> None:
        super()._fill(train, val)
        self.votes.data = torch.ones(len(self.keys), 1, device=self.keys.device)

    def _compared(self) -> tuple[Tensor, Tensor]:
        """Nothing: the texts are compared with each other."""
        return self.keys[:0], self.labels[:0]

    def _search(self, train: Batch, val: Batch | None) -> None:
        """The best alpha and beta on the validation items, as Tip-Adapter-F has it."""
        assert val is not None
        betas, alphas = (grid(end, steps) for end, steps in zip(self.search_scale, self.search_step, strict=True))
        f, values = F.normalize(val.inputs, dim=-1), self._values() * self.votes
        zero_shot = self.clip.classifier(self._texts())(f)
        alpha, beta = best_pair(zero_shot, f @ self._keys().T, values, val.labels, alphas, betas)
        self.alpha.fill_(alpha)
        self.beta.fill_(beta)


def similarity(texts: Tensor, keys: Tensor, labels: Tensor) -> Tensor:
    """Mean product (D,) in each channel of all ordered pairs of rows of different classes.

    Args:
        texts: (C, D), a row of each class.
        keys: (N, D) more rows.
        labels: (N,) their classes.
    """
    sums = texts.index_add(0, labels, keys)  # (C, D), each class's rows
    counts = torch.ones(len(texts), device=texts.device).index_add(0, labels, torch.ones_like(labels, dtype=sums.dtype))
    pairs = counts.sum().square() - counts.square().sum()
    return (sums.sum(0).square() - sums.square().sum(0)) / pairs.clamp(min=1)


def criterion(similar: Tensor, texts: Tensor, w1: float, w2: float) -> Tensor:
    """How well each channel (D,) tells classes apart.

    Args:
        similar: (D,) of :func:`similarity`.
        texts: (C, D).
        w1: weight of the similarity.
        w2: weight of the variance over classes.
    """
    return w2 * texts.var(0, correction=min(1, len(texts) - 1)) - w1 * similar

"""GDA: Gaussian discriminant analysis of the training features beside zero-shot CLIP, in closed form.

Paper: A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation, https://arxiv.org/abs/2402.04087; code:
mrflogs/ICLR24. With P a precision matrix (D, D) that all classes share, mu_k the mean feature of class k and t_k its
text feature, the logits of an image feature f are ``scale f t_k + alpha (f P mu_k - mu_k P mu_k / 2)``.
What is learned: nothing but means and P from the training features, and alpha, searched on validation images.
With D the features' width and n the number of rows, every view of an image being one:

- ``covariance="shrunk"`` (few-shot): ``P = D pinv((n - 1) S + trace(S) I)``, S the covariance within classes;
- ``covariance="within_class"`` (base to new): ``P = pinv(S)``, S the mean over classes of each one's covariance;
- a new class with text feature w gets ``mu``, the mean of the 64 rows nearest to w and of 16 copies of w, and a
  covariance of these rows about w; ``P`` is then the mean over the new classes of each one's shrunk precision.

Where promptlab departs: the authors' 100 is the backbone's scale, their 512 is D; ``log(1 / C)``, equal for all
classes, is left out; fewer than 64 rows are all taken; sums and inverses are in float64, on the CPU; ImageNet's alpha
is not chosen on test images (theirs is: ``val=test``, and marked). They draw ten views in (0.5, 1) of an image
(``views=10``), in (0.08, 1) on ImageNet (``crop_scale=[0.08,1]``), search on the whole validation split (``val=full``),
and in few-shot draw the shots one after the other (``protocol.rule=one_after_the_other``). On ImageNet and its variants
they read the classes in CLIP's seven best prompts (``templates="select_only"``), as the YAML has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Interval
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

ALPHAS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
"""Weights that the search tries; of equals the first wins."""
Covariance: TypeAlias = Literal["shrunk", "within_class"]
UNSEARCHED = 0.1
"""The weight before the search, and after one in which nothing was right."""


class GDA(ReadsTexts, PromptLearner):
    """Zero-shot logits plus those of Gaussians with one covariance.

    ``rows`` (n, D) are the training features, which new names need; ``weight`` (C, D) and ``bias`` (C,) the Gaussian
    classifier, zero before the fit; ``alpha`` its weight.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; those without training images are treated as new ones.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        covariance: how the known classes' precision is made of the rows.
        alpha: weight of the Gaussian logits; None searches it on the validation images.
        neighbours: rows that a new class takes for its own.
        text_copies: copies of a new class's text feature among them.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.GDA(clip, ["red circle", "blue star"], alpha=1.0)
        >>> [stage.name for stage in learner.fit_plan()], learner.weight.shape
        (['gaussians'], torch.Size([2, 128]))
    """

    open_vocabulary = True
    per_class = ("weight", "bias")
    crop_scale = (0.5, 1.0)
    searches = True
    rows: Tensor
    weight: Tensor
    bias: Tensor
    alpha: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        covariance: Covariance = "shrunk",
        alpha: Annotated[float, Interval(ge=0, le=1_000_000)] | None = None,
        neighbours: Annotated[int, Interval(ge=2, le=1_000_000)] = 64,
        text_copies: Annotated[int, Interval(ge=0, le=1_000_000)] = 16,
    ) -> None:
        super().__init__(clip, class_names)
        self.covariance, self.neighbours, self.text_copies = covariance, neighbours, text_copies
        self._given_alpha = alpha
        self.read_texts(template, templates, prompts)
        self.register_buffer("rows", torch.empty(0, clip.dim, device=clip.device))
        self.register_buffer("weight", torch.zeros(len(class_names), clip.dim, device=clip.device))
        self.register_buffer("bias", torch.zeros(len(class_names), device=clip.device))
        self.register_buffer("alpha", torch.tensor(UNSEARCHED if alpha is None else float(alpha), device=clip.device))

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        zero_shot = self.clip.logits(image_features, self.text_features())
        return zero_shot + self.alpha * (image_features @ self.weight.T + self.bias)

    def fit_plan(self) -> list[Stage]:
        """One closed form, the search included."""
        searches = "alpha" if self._given_alpha is None else ""
        return [ClosedFormStage("gaussians", self._solve, searches=searches, unsearched="a value for learner.alpha")]

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names get Gaussians of the rows nearest to their texts."""
        if classes.indices is None:
            self.weight, self.bias = self._new_classes(self.text_features())

    def _solve(self, train: Batch, val: Batch | None) -> None:
        """Gaussians of the training items (N, K, D), a row for each view, and the weight with most hits on ``val``."""
        rows = train.inputs.float().flatten(0, 1)  # (N, K, D) to (n, D)
        labels = train.labels.repeat_interleave(train.inputs.shape[1])
        seen, own = torch.unique(labels, return_inverse=True)
        self.rows.data = rows.clone()
        self.weight[seen], self.bias[seen] = known_gaussians(rows, own, self.covariance)
        unseen = torch.ones_like(self.bias, dtype=torch.bool).index_fill(0, seen, False)
        if unseen.any():
            self.weight[unseen], self.bias[unseen] = self._new_classes(self.text_features()[unseen])
        self.alpha.fill_(self._search(val) if self._given_alpha is None else self._given_alpha)

    def _search(self, val: Batch | None) -> float:
        assert val is not None
        zero_shot = self.clip.logits(val.inputs, self.text_features())
        gaussian = val.inputs @ self.weight.T + self.bias
        hits = torch.stack([((zero_shot + a * gaussian).argmax(-1) == val.labels).sum() for a in ALPHAS]).tolist()
        return ALPHAS[hits.index(max(hits))] if any(hits) else UNSEARCHED

    def _new_classes(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) of classes known by their text features (C, D) alone; zeros before the fit."""
        if not len(self.rows):
            return torch.zeros_like(texts), texts.new_zeros(len(texts))
        nearest = (texts @ self.rows.T).topk(min(self.neighbours, len(self.rows)), dim=1).indices
        return new_gaussians(self.rows[nearest], texts, self.text_copies)


def known_gaussians(rows: Tensor, labels: Tensor, covariance: Covariance) -> tuple[Tensor, Tensor]:
    """The classifier of classes with rows.

    Args:
        rows: (n, D) features.
        labels: (n,) their classes, each of 0 to C - 1 at least once.
        covariance: how the precision is made.

    Returns:
        Weight ``P mu_k`` (C, D) and bias ``-mu_k P mu_k / 2`` (C,), fp32.
    """
    x, counts = rows.cpu().double(), labels.cpu().bincount()
    means = torch.zeros(len(counts), x.shape[1]).double().index_add(0, labels.cpu(), x) / counts.unsqueeze(1)
    centred = x - means[labels.cpu()]
    if covariance == "shrunk":
        spread = centred.T @ centred  # (n - 1) S, D x D
        trace = spread.trace() / max(1, len(x) - 1)
        precision = x.shape[1] * _inverse(spread + trace * torch.eye(x.shape[1]).double())
    else:
        shares = 1 / ((counts - 1).clamp(min=1) * len(counts)).double()
        precision = _inverse((centred.T * shares[labels.cpu()]) @ centred)
    return _classifier(means, precision, rows)


def new_gaussians(neighbours: Tensor, texts: Tensor, text_copies: int) -> tuple[Tensor, Tensor]:
    """The classifier of classes without rows of their own.

    Args:
        neighbours: (C, k, D) the rows that each class takes for its own.
        texts: (C, D) text features.
        text_copies: how many rows a text feature counts as in the mean.

    Returns:
        As :func:`known_gaussians`; the covariance is about the text feature.
    """
    x, w = neighbours.cpu().double(), texts.cpu().double()
    (classes, k, dim), about = x.shape, x - w.unsqueeze(1)
    means = (x.sum(1) + text_copies * w) / (k + text_copies)
    # D inverse(A^T A + t I), A the k rows about w, costs a k x k inverse: D / t (I - A^T inverse(A A^T + t I) A)
    trace = about.square().sum((1, 2)) / max(1, k - 1)
    gram = about @ about.mT + trace[:, None, None] * torch.eye(k).double()  # (C, k, k)
    inner = torch.linalg.solve(gram, about) * (dim / trace)[:, None, None]
    precision = (dim / trace).sum() * torch.eye(dim).double() - about.flatten(0, 1).T @ inner.flatten(0, 1)
    return _classifier(means, precision / classes, texts)


def _classifier(means: Tensor, precision: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    weight = means @ precision
    return weight.to(like), (-(weight * means).sum(1) / 2).to(like)


def _inverse(symmetric: Tensor) -> Tensor:
    """Pseudo-inverse of a (D, D) matrix in float64, with float32's cut of small eigenvalues, as the authors' has it."""
    cut = len(symmetric) * torch.finfo(torch.float32).eps
    inverse: Tensor = torch.linalg.pinv(symmetric, rtol=cut, hermitian=True)
    return inverse

"""MTA: mean shift over the augmented views of a test image, with an inlier score for each view; nothing is trained.

Paper: On the Test-Time Zero-Shot Generalization of Vision-Language Models: Do We Really Need Prompt Learning?,
https://arxiv.org/abs/2405.02266; code: MaxZanella/MTA. With f_i the K views of one image, f_0 the plain one, and t_c
the text features, all normalised:

- bandwidth: ``h_i^2`` is half the mean squared distance of f_i to its 0.3 (K - 1) nearest other views;
- affinity: ``A = P P^T`` with ``P = softmax(logits)`` (K, C);
- from ``y_i = 1 / K`` and the mode ``m = f_0``, five rounds of: densities ``d_i = exp(-|f_i - m|^2 / (2 h_i^2))``; five
  times ``y = softmax((d + lambda_q A y) / lambda_y)``; five times, at the densities of the new mode,
  ``m = normalise(sum_i d_i y_i f_i)``;
- the mode is scored in place of the image's feature.

What is learned: nothing, and nothing is chosen: both lambdas are the authors' for all datasets.
Where promptlab departs: the inner loops always make their five rounds (theirs stop where a change falls under 1e-6);
the random views are this library's crops (bicubic, theirs bilinear) in (0.08, 1) with a flip, 63 of them, a function of
the image alone; the prompt is the dataset's own, theirs "a photo of a {}." for all, or an ensemble (``templates`` takes
either).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Interval, Le
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.learner import Scorer
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

_ROUNDS = 5
_NEAR = 0.3
_LEAST_SPREAD = 1e-12
"""Of views that are all alike."""
_Strength = Annotated[float, Gt(0), Le(1_000_000)]


class MTA(ReadsTexts, TextSideLearner):
    """Zero-shot CLIP on the mode of each test image's views.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        test_views: K views of each test image, the plain one among them.
        lambda_y: how even the inlier scores are.
        lambda_q: how much views of like predictions pull each other in.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.MTA(clip, ["red circle", "blue star"], test_views=8)
        >>> views = clip.encode_texts(["a blue star"]).expand(8, -1)  # all views alike
        >>> learner(views.unsqueeze(0)).argmax().item()
        1
    """

    open_vocabulary = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        test_views: Annotated[int, Interval(ge=5, le=4096)] = 64,
        lambda_y: _Strength = 0.2,
        lambda_q: _Strength = 4.0,
    ) -> None:
        super().__init__(clip, class_names)
        self.test_views, self.lambda_y, self.lambda_q = test_views, lambda_y, lambda_q
        self.read_texts(template, templates, prompts)

    def forward(self, views: Tensor) -> Tensor:
        """Logits (B, C) of K views of each image (B, K, D), or of single features (B, D) as zero-shot CLIP has them."""
        return self._of_modes(super().forward)(views)

    def scorer(self) -> Scorer:
        """The classifier of the texts built once."""
        return self._of_modes(super().scorer())

    def fit_plan(self) -> list[Stage]:
        """Nothing is learned."""
        return []

    def _of_modes(self, classify: Scorer) -> Scorer:
        def score(views: Tensor) -> Tensor:
            if views.ndim == 2:
                return classify(views)
            logits = classify(views.flatten(0, 1)).reshape(*views.shape[:2], -1)  # (B, K, C)
            return classify(mean_shift(views, logits, self.lambda_y, self.lambda_q)[0])

        return score


def bandwidths(views: Tensor) -> Tensor:
    """Squared bandwidth (B, K) of each view: half the mean squared distance to its nearest others.

    Args:
        views: (B, K, D).
    """
    squared = torch.cdist(views, views, compute_mode="donot_use_mm_for_euclid_dist").square()  # (B, K, K)
    near = int(_NEAR * (views.shape[1] - 1))
    return squared.sort(dim=-1).values[..., 1 : near + 1].mean(-1) / 2


def mean_shift(views: Tensor, logits: Tensor, lambda_y: float, lambda_q: float) -> tuple[Tensor, Tensor]:
    """The mode of each image's views, the plain view being where the search begins.

    Args:
        views: (B, K, D) L2-normalised, the plain view first.
        logits: (B, K, C) of the views.
        lambda_y: temperature of the inlier scores.
        lambda_q: weight of the affinity.

    Returns:
        The modes (B, D), L2-normalised, and the views' inlier scores (B, K), whose sum is 1.
    """
    spread, predictions = (2 * bandwidths(views)).clamp(min=_LEAST_SPREAD), logits.softmax(-1)
    affinity = predictions @ predictions.mT  # (B, K, K)
    scores, mode = torch.full_like(spread, 1 / views.shape[1]), views[:, 0]

    def densities() -> Tensor:
        return torch.exp(-(views - mode.unsqueeze(1)).square().sum(-1) / spread)  # (B, K)

    for _ in range(_ROUNDS):
        density = densities()
        for _ in range(_ROUNDS):
            pull = (affinity @ scores.unsqueeze(-1)).squeeze(-1)
            scores = ((density + lambda_q * pull) / lambda_y).softmax(-1)
        for _ in range(_ROUNDS):
            mode = F.normalize(((densities() * scores).unsqueeze(-1) * views).sum(1), dim=-1)
    return mode, scores

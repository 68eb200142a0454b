"""Linear probe: logistic regression on image features, the names of the classes unused.

Source: the baseline of CoOp's ``lpclip`` (after CLIP, https://arxiv.org/abs/2103.00020); code: KaiyangZhou/CoOp.
What is learned: a weight vector and a bias for each class, by L-BFGS, with the penalty searched on validation images.
Where promptlab departs: features are L2-normalised (``lpclip`` takes them as the image tower gives them, so its C means
another penalty), and every cached view of an image is a row of the fit (``views=0`` is the test transform alone, as
``lpclip`` has it). A run draws CoOp's few-shot images; ``lpclip`` draws others, which
:func:`promptlab.data.sampling.sample_linear_probe` gives.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Gt, Interval, Le
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.all_have_images import require_images_of_all
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Batch, ClosedFormStage, Stage

log = logging.getLogger(__name__)
Classifier = TypeVar("Classifier")
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
C_GRID = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
"""Inverse penalties that the search begins with."""


class LinearProbe(PromptLearner):
    """scikit-learn's multinomial logistic regression (L-BFGS, L2 penalty).

    ``weight`` (C, D) and ``bias`` (C,) are zero before the fit.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes, at least two; every one needs training images.
        c: inverse strength of the penalty; None searches it on the validation images, see :func:`search_c`.
        max_iter: most L-BFGS iterations of a fit.
        steps: of bisection after the grid.

    Raises:
        ValueError: for a single class, or a number out of range.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.LinearProbe(clip, ["red circle", "blue star"], c=1.0)
        >>> learner.open_vocabulary  # it knows its own classes alone
        False
    """

    searches = True
    per_class = ("weight", "bias")
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        c: Annotated[float, Gt(0), Le(1e12)] | None = None,
        max_iter: Annotated[int, Interval(ge=1, le=1_000_000)] = 1000,
        steps: Annotated[int, Interval(ge=1, le=100)] = 8,
    ) -> None:
        super().__init__(clip, class_names)
        if len(class_names) < 2:
            raise ValueError(f"LinearProbe got one class, {class_names[0]!r}: it tells at least two apart")
        self.c, self.max_iter, self.steps = c, max_iter, steps
        self.register_buffer("weight", torch.zeros(len(class_names), clip.dim, device=clip.device))
        self.register_buffer("bias", torch.zeros(len(class_names), device=clip.device))

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return image_features @ self.weight.T + self.bias

    def fit_plan(self) -> list[Stage]:
        """One closed form."""
        searches = "its penalty" if self.c is None else ""
        trains, without = (self.weight, self.bias), "a value for learner.c"
        return [ClosedFormStage("regression", self._solve, searches=searches, unsearched=without, trains=trains)]

    def _solve(self, train: Batch, val: Batch | None) -> None:
        """Fit at ``c``, or at what the search on the validation items ends with."""
        require_images_of_all(self.class_names, train.labels, "LinearProbe")
        features = train.inputs.flatten(0, 1).numpy(force=True).astype(np.float64)  # (N, K, D) to (N * K, D)
        labels = train.labels.repeat_interleave(train.inputs.shape[1]).numpy(force=True)

        def fit(c: float) -> Any:
            return _regression(features, labels, c, self.max_iter)

        if self.c is not None:
            self._take(fit(self.c))
            return
        assert val is not None
        held_out, truth = val.inputs.numpy(force=True).astype(np.float64), val.labels.numpy(force=True)
        path = search_c(fit, lambda found: float((found.predict(held_out) == truth).mean()), steps=self.steps)
        self._take(path[-1].classifier)

    def _take(self, found: Any) -> None:
        """Keep scikit-learn's solution; of two classes it has one row, which both share with opposite signs."""
        weight, bias = torch.from_numpy(found.coef_), torch.from_numpy(found.intercept_)
        if len(weight) == 1:
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        self.weight.copy_(weight)
        self.bias.copy_(bias)


def _regression(features: FloatArray, labels: IntArray, c: float, max_iter: int) -> Any:
    """scikit-learn's solution. That L-BFGS stops at ``max_iter`` is part of CoOp's protocol: logged, no warning."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = LogisticRegression(solver="lbfgs", max_iter=max_iter, C=c).fit(features, labels)
    if max(found.n_iter_) >= max_iter:
        log.info("linear probe: C=%g stopped after %d iterations, before it converged", c, max_iter)
    return found


@dataclass(frozen=True)
class Step(Generic[Classifier]):
    """One step of the search: what it kept.

    Args:
        c: inverse penalty.
        score: validation accuracy there.
        classifier: fitted there.
    """

    c: float
    score: float
    classifier: Classifier


def search_c(
    fit: Callable[[float], Classifier], score: Callable[[Classifier], float], *, steps: int = 8
) -> list[Step[Classifier]]:
    """CoOp's search for the inverse penalty: seven powers of ten, then bisection around the best.

    Each step of the bisection compares both ends of a range, keeps the better one (the left of equals), and goes on
    with the half beside it, in the logarithm. The first range is a factor of ten to both sides of the best power (the
    largest of equals). An end that stays is not fitted again, as ``lpclip`` does to the same effect.

    Args:
        fit: inverse penalty to classifier.
        score: classifier to validation accuracy.
        steps: of bisection, at least 1.

    Returns:
        What the grid and each step of the bisection kept, in order; the last is the result, even where an earlier one
        scored better.
    """

    def at(c: float) -> Step[Classifier]:
        classifier = fit(c)
        return Step(c, score(classifier), classifier)

    path = [max((at(c) for c in C_GRID), key=lambda step: step.score)]  # the first of equals
    left, right = at(0.1 * path[0].c), at(10 * path[0].c)
    path.append(right if left.score < right.score else left)
    for _ in range(steps - 1):
        middle = at(math.sqrt(left.c * right.c))
        left, right = (middle, right) if path[-1] is right else (left, middle)
        path.append(right if left.score < right.score else left)
    return path

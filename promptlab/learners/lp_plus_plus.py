"""LP++: a linear probe whose class weights are image prototypes plus learned multiples of the class's text feature.

Paper: LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP, https://arxiv.org/abs/2404.02285; code:
FereshteShakeri/FewShot-CLIP-Strong-Baseline. The logits of an image feature f are ``f (w_k + alpha_k t_k) + b_k``.
What is learned: w (C, D), b (C,) and alpha (C,) by full-batch descent on the cross-entropy, its steps from the data.
With F the rows (N, D) and t the text features (C, D), both normalised:

- start: ``w_k`` the sum of class k's features, b uniform within ``1 / sqrt(D)``, every alpha the mean over classes of
  ``250 mean_i f_i t_k``; there is no temperature beside alpha;
- steps: ``4 N / lambda_max(F^T F)`` for w and b, with momentum 0.9, and ``N / (4 max_k sum_i (f_i t_k)^2)`` for alpha,
  after every tenth epoch;
- ``alpha_gradient="accumulated"``: the released code never clears alpha's gradient, so its steps follow the sum over
  all epochs so far, which made the published numbers; ``"current"`` is the paper's block descent.

The epoch is the one with most hits on validation images, the last of equals. The authors draw as many of them as
training images, in the seeds 1 to 10, and fill a class up with repetition (``val=shots protocol.rule=repeated``); on
ImageNet they read the classes in CLIP's seven best prompts alone (``templates="select_only"``).
Where promptlab departs: fp32 in place of fp16; with several views of an image each is a row, and ``w_k`` starts at the
sum of the images' mean views (``views=1`` is the authors' setting); every seed draws its own training images, where
theirs share those of seed 1 in six of the datasets; ImageNet's validation images aren't augmented.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.all_have_images import require_images_of_all
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

_MOMENTUM = 0.9
_ALPHA_EVERY = 10
_START = 250.0


class LPPlusPlus(ReadsTexts, PromptLearner):
    """``f (w_k + alpha_k t_k) + b_k``; before the fit w and b are 0 and alpha is 1, which is zero-shot CLIP's order.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; every one needs training images.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        epochs: full-batch steps.
        alpha_gradient: what alpha's steps follow.
        choose_epoch: keep the epoch that is best on the validation images; the last one if False.
        generator: source of the bias's random start; None seeds one with 0.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.LPPlusPlus(clip, ["red circle", "blue star"], choose_epoch=False)
        >>> learner.open_vocabulary, [stage.name for stage in learner.fit_plan()]
        (False, ['descent'])
    """

    per_class = ("weight", "bias", "alpha")
    crop_scale = (0.5, 1.0)
    searches = True
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
        epochs: Annotated[int, Interval(ge=1, le=1_000_000)] = 300,
        alpha_gradient: Literal["accumulated", "current"] = "accumulated",
        choose_epoch: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.epochs, self.alpha_gradient, self.choose_epoch = epochs, alpha_gradient, choose_epoch
        self.read_texts(template, templates, prompts)
        classes, device = len(class_names), clip.device
        generator = generator or torch.Generator().manual_seed(0)
        self._bias_start = clip.dim**-0.5 * (2 * torch.rand(classes, generator=generator) - 1)
        self.register_buffer("weight", torch.zeros(classes, clip.dim, device=device))
        self.register_buffer("bias", torch.zeros(classes, device=device))
        self.register_buffer("alpha", torch.ones(classes, device=device))

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D)."""
        return image_features @ self._classifier().T + self.bias

    def fit_plan(self) -> list[Stage]:
        """One stage: every epoch is a step with all rows."""
        searches, without = "its epoch" if self.choose_epoch else "", "learner.choose_epoch=false"
        trains = (self.weight, self.bias, self.alpha)
        return [ClosedFormStage("descent", self._descend, searches=searches, unsearched=without, trains=trains)]

    def _classifier(self) -> Tensor:
        """(C, D), scored by its inner products with images."""
        return self.weight + self.alpha.unsqueeze(1) * self.text_features()

    def _descend(self, train: Batch, val: Batch | None) -> None:
        """From the start to the last epoch, keeping the best one on ``val``; training inputs (N, K, D)."""
        require_images_of_all(self.class_names, train.labels, "LPPlusPlus")
        steps, best = self._start(train), (-1, self._state())
        for _ in self._epochs(train, steps):
            if self.choose_epoch and val is not None:
                hits = int((self(val.inputs).argmax(-1) == val.labels).sum())
                best = (hits, self._state()) if hits >= best[0] else best
        if self.choose_epoch:
            self.load_learned(best[1])

    def _epochs(self, train: Batch, steps: Steps) -> Iterator[None]:
        """Descend on the mean cross-entropy of all rows; what follows an epoch stands between two of these."""
        rows, views = train.inputs.float().flatten(0, 1), train.inputs.shape[1]
        one_hot = F.one_hot(train.labels.repeat_interleave(views), len(self.class_names)).float()  # (N * K, C)
        votes = rows @ self.text_features().T  # (N * K, C)
        of_weight, of_bias, of_alpha = (torch.zeros_like(value) for value in (self.weight, self.bias, self.alpha))
        for epoch in range(1, self.epochs + 1):
            error = ((rows @ self._classifier().T + self.bias).softmax(-1) - one_hot) / len(rows)  # d loss / d logits
            of_alpha = (of_alpha if self.alpha_gradient == "accumulated" else 0) + (error * votes).sum(0)
            of_weight, of_bias = _MOMENTUM * of_weight + error.T @ rows, _MOMENTUM * of_bias + error.sum(0)
            self.weight -= steps.of_weight * of_weight
            self.bias -= steps.of_weight * of_bias
            if epoch % _ALPHA_EVERY == 0:
                self.alpha -= steps.of_alpha * of_alpha
            yield

    def _state(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.learned_tensors().items()}

    def _start(self, train: Batch) -> Steps:
        """Put the start in place, and size the steps."""
        features = train.inputs.float()
        sums = torch.zeros_like(self.weight).index_add(0, train.labels, features.mean(1))
        counts = train.labels.bincount(minlength=len(self.class_names))
        own = (sums * self.text_features()).sum(1) / counts  # (C,) mean similarity of a class's images to its text
        self.weight.copy_(sums)
        self.bias.copy_(self._bias_start)
        self.alpha.fill_(_START * own.mean())
        return steps_of(features.flatten(0, 1), self.text_features())


@dataclass(frozen=True)
class Steps:
    """Learning rates, made of the data.

    Args:
        of_weight: of weight and bias.
        of_alpha: of the texts' multiples.
    """

    of_weight: float
    of_alpha: float


def steps_of(rows: Tensor, texts: Tensor) -> Steps:
    """The steps that the Lipschitz constants of the loss's blocks allow.

    Args:
        rows: (N, D) normalised training features.
        texts: (C, D) normalised text features.
    """
    x, t = rows.cpu().double(), texts.cpu().double()
    largest = torch.linalg.eigvalsh(x.T @ x)[-1]
    return Steps(4 * len(x) / float(largest), len(x) / (4 * float((x @ t.T).square().sum(0).max())))

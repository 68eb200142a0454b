"""TransCLIP: all test images are classified together, as one mixture of Gaussians held to the texts' predictions.

Paper: Boosting Vision-Language Models with Transduction, https://arxiv.org/abs/2406.01837; code:
MaxZanella/transduction-for-vlms. With f (Q, D) the normalised features of all test images and y (Q, C) the softmax of
their zero-shot logits, z (Q, C) begins as y, every class's mean mu_k as that of the 8 images surest of it, and one
diagonal covariance sigma (D,) for all as 1 / D. Eleven rounds, of which the last updates z alone, of

- ``l_ik = -1/2 sum_d (f_id - mu_kd)^2 / sigma_d``;
- five times ``z = normalise(y^lambda exp(l / 50 + (W^T z + W z) / 6))``, W holding for every image the cosines of its
  three nearest others;
- ``mu_k = normalise(sum_i z_ik f_i)`` and ``sigma_d = sum_ik z_ik (f_id - mu_kd)^2 / Q``.

With shots, S of them in s (S, D) of classes v (S, C): lambda is 0.5 instead of 1, mu begins as the shots' means, the
shots join mu and sigma with the weight ``50 gamma / S`` beside ``1 / Q``, and have neighbours among the test images.
Gammas 0.002, 0.01, 0.02, 0.2 are gone through one after the other, each from where the last one left z, mu and sigma;
the z of the one that is kept is right on most validation images, each scored as its nearest test image is.
What is learned: nothing before the test images are there, all of which are training data without labels: Results are
marked ``transductive``, and tables set them apart.
Where promptlab departs: logits are ``log z``, the scale of zero-shot logits is the backbone's (theirs: 100); of
``templates`` the mean counts (theirs: the first one); every view of a shot is a shot, where theirs is the plain one
(``views=0``); the z of the kept gamma is what is scored (theirs return the last one's, and report the kept one's
accuracy); y is zero-shot CLIP's alone, while their code can begin at another method's predictions, too. In the released
code the shots' rows of the neighbour term are paired wrongly: z is stacked with the test images first, W with the shots
first. ``neighbours=released`` is that, as their numbers are; ``neighbours=paper`` pairs them rightly. Where a scored
class has no shots, as new classes haven't, all are scored without. A single picture is scored as zero-shot CLIP does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.neighbours import nearest
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

GAMMAS = (0.002, 0.01, 0.02, 0.2)
"""Weights of the shots, in the order in which they are gone through."""
Neighbours: TypeAlias = Literal["released", "paper"]
_ROUNDS, _INNER = 11, 5
_NEAR, _SUREST, _TEMPERATURE = 3, 8, 50.0
_LEAST_SPREAD = 1e-8
"""Of images that are all alike."""
_Pull: TypeAlias = Callable[[Tensor], Tensor]
_UNKNOWN = -1
"""Where a scored class has no shots: a label that none of them has."""


class TransCLIP(ReadsTexts, TextSideLearner):
    """Zero-shot CLIP, and the test images about each other.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.

    Raises:
        ValueError: for a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.TransCLIP(clip, ["red circle", "blue star"])
        >>> images = clip.encode_texts(["a red circle", "a blue star", "a star", "the red circle"])
        >>> learner.score_together(images).argmax(dim=1).tolist()
        [0, 1, 1, 0]
    """

    open_vocabulary = True
    transductive = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.read_texts(template, templates, prompts)

    def fit_plan(self) -> list[Stage]:
        """Nothing is learned beforehand."""
        return []

    def score_together(self, inputs: Tensor) -> Tensor:
        """Logits (Q, C) of all test images (Q, D): the logarithms of z."""
        return _logarithms(zero_shot_mixture(inputs, self(inputs).softmax(-1)).z)


class TransCLIPFewShot(TransCLIP):
    """The same with shots: ``shots`` (S, D) and ``labels`` (S,) are kept, and ``val`` (n, D) with ``val_labels``.

    Args:
        clip: the frozen backbone; all but the last as for :class:`TransCLIP`.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt.
        templates: other prompts instead.
        prompts: sentences about each class instead.
        neighbours: which rows the neighbour term pairs: as the code was ``released``, or the ``paper``'s.

    Raises:
        ValueError: for a template without ``{}``.

    Example:
        >>> import promptlab
        >>> learner = promptlab.TransCLIPFewShot(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> [stage.name for stage in learner.fit_plan()]
        ['shots']
    """

    per_class = ("columns",)
    searches = True
    shots: Tensor
    labels: Tensor
    val: Tensor
    val_labels: Tensor
    columns: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        neighbours: Neighbours = "released",
    ) -> None:
        super().__init__(clip, class_names, template=template, templates=templates, prompts=prompts)
        self.neighbours = neighbours
        for features, labels in (("shots", "labels"), ("val", "val_labels")):
            self.register_buffer(features, torch.empty(0, clip.dim, device=clip.device))
            self.register_buffer(labels, torch.empty(0, dtype=torch.int64, device=clip.device))
        # the label of each of the C columns; follows from the names, so it isn't saved
        self.register_buffer("columns", torch.arange(len(class_names), device=clip.device), persistent=False)

    def fit_plan(self) -> list[Stage]:
        """The shots are kept."""
        return [ClosedFormStage("shots", self._keep, searches="gamma")]

    def classes_changed(self, classes: ClassSet) -> None:
        """Other names have no shots."""
        if classes.indices is None:
            self.columns = self.columns.new_full((len(classes.names),), _UNKNOWN)

    def score_together(self, inputs: Tensor) -> Tensor:
        """Logits (Q, C) of all test images (Q, D): the logarithms of z under the gamma that validation images chose."""
        (shots, v), (val, of_val) = self._scored(self.shots, self.labels), self._scored(self.val, self.val_labels)
        if not v.any(0).all():
            return super().score_together(inputs)
        mixtures = few_shot_mixtures(inputs, self(inputs).softmax(-1), shots, v, self.neighbours)
        closest = nearest(val, inputs, 1)[1][:, 0]
        hits = [int((mixture.z[closest].argmax(-1) == of_val.argmax(-1)).sum()) for mixture in mixtures]
        return _logarithms(mixtures[hits.index(max(hits))].z)

    def _keep(self, train: Batch, val: Batch | None) -> None:
        """Of the training items (N, K, D) every view is a shot."""
        assert val is not None
        self.shots.data = train.inputs.flatten(0, 1).clone()
        self.labels.data = train.labels.repeat_interleave(train.inputs.shape[1])
        self.val.data, self.val_labels.data = val.inputs.clone(), val.labels.clone()

    def _scored(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of features (n, D) those of the scored classes, and their classes as rows of zeros and a one (., C)."""
        v = (labels.unsqueeze(1) == self.columns).float()
        own = v.any(1)
        return features[own], v[own]


@dataclass(frozen=True)
class Mixture:
    """Assignments z (Q, C), means mu (C, D), and the covariance's diagonal sigma (D,)."""

    z: Tensor
    mu: Tensor
    sigma: Tensor


def zero_shot_mixture(f: Tensor, y: Tensor) -> Mixture:
    """What the test images make of zero-shot predictions.

    Args:
        f: (Q, D) features, L2-normalised.
        y: (Q, C) probabilities.
    """
    surest = y.T.topk(min(_SUREST, len(f)), dim=1)  # (C, 8)
    mu = F.normalize(torch.einsum("ck,ckd->cd", surest.values, f[surest.indices]), dim=-1)
    w = _affinity(f, f)
    return _run(_Data(f, y, 1.0, f[:0], y[:0], 0.0), Mixture(y, mu, _even(f)), lambda z: w.T @ z + w @ z)


def few_shot_mixtures(f: Tensor, y: Tensor, shots: Tensor, v: Tensor, neighbours: Neighbours) -> list[Mixture]:
    """What the test images make of predictions and shots, for each of :data:`GAMMAS`.

    Args:
        f: (Q, D) features of the test images, L2-normalised.
        y: (Q, C) probabilities.
        shots: (S, D) likewise.
        v: (S, C) their classes, a one in each row.
        neighbours: which rows the neighbour term pairs.
    """
    Q, S = f.shape[0], shots.shape[0]
    w = _affinity(torch.cat([shots, f]), f)  # (S + Q, Q)

    def pull(z: Tensor) -> Tensor:
        if neighbours == "paper":
            return w.T @ torch.cat([v, z]) + (w @ z)[S:]
        return w.T @ torch.cat([z, v]) + (w @ z)[:Q]

    state, found = Mixture(y, F.normalize(v.T @ shots, dim=-1), _even(f)), []
    for gamma in GAMMAS:
        state = _run(_Data(f, y, 0.5, shots, v, _TEMPERATURE * gamma / S), state, pull)
        found.append(state)
    return found


@dataclass(frozen=True)
class _Data:
    """Test images f (Q, D) with predictions y (Q, C), and shots (S, D) of classes v (S, C), of some weight each."""

    f: Tensor
    y: Tensor
    power: float
    shots: Tensor
    v: Tensor
    weight: float

    def sums(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of each class (C,), and what features and their squares add up to under them, (C, D) each."""
        of_images, of_shots = z / len(self.f), self.weight * self.v
        firsts = of_images.T @ self.f + of_shots.T @ self.shots
        seconds = of_images.T @ self.f.square() + of_shots.T @ self.shots.square()
        return of_images.sum(0) + of_shots.sum(0), firsts, seconds


def _run(data: _Data, state: Mixture, pull: _Pull) -> Mixture:
    """Eleven rounds of updates of z, mu and sigma."""
    z, mu, sigma = state.z, state.mu, state.sigma
    prior = data.y.clamp(min=torch.finfo(data.y.dtype).tiny).log() * data.power
    for step in range(_ROUNDS):
        # less what is equal for all classes of an image
        likelihood = (data.f / sigma) @ mu.T - (mu.square() / sigma).sum(-1) / 2
        for _ in range(_INNER):
            z = (prior + likelihood / _TEMPERATURE + pull(z) / 6).softmax(-1)
        if step + 1 < _ROUNDS:
            counts, firsts, seconds = data.sums(z)
            mu = F.normalize(firsts, dim=-1)
            spread = seconds - 2 * mu * firsts + mu.square() * counts.unsqueeze(1)  # (C, D)
            sigma = (spread.sum(0) / counts.sum()).clamp(min=_LEAST_SPREAD)
    return Mixture(z, mu, sigma)


def _even(f: Tensor) -> Tensor:
    return f.new_full((f.shape[1],), 1 / f.shape[1])


def _affinity(rows: Tensor, f: Tensor) -> Tensor:
    """Sparse (n, Q): of each row the cosines of its three nearest test images but the nearest, which may be itself."""
    cosines, closest = nearest(rows, f, _NEAR + 1)
    values, columns = cosines[:, 1:], closest[:, 1:]
    places = torch.arange(len(rows), device=f.device).repeat_interleave(columns.shape[1])
    index = torch.stack([places, columns.flatten()])
    return torch.sparse_coo_tensor(index, values.flatten(), (len(rows), len(f)), check_invariants=False).coalesce()


def _logarithms(z: Tensor) -> Tensor:
    return z.clamp(min=torch.finfo(z.dtype).tiny).log()

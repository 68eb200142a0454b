"""ZLaP: labels spread from the texts over a graph of texts and images without labels.

Paper: Label Propagation for Zero-shot Classification with Vision-Language Models, https://arxiv.org/abs/2404.04072;
code: vladan-stojnic/ZLaP. Nodes are the C texts and n images; an image has edges to its k nearest images, itself among
them, and to its k nearest texts. Their weights S (n, C + n) are cosines, 0 where negative, those to texts to the power
gamma. With ``W = S + S^T`` (C + n, C + n), a square matrix as images' rows of it, less the diagonal, and
``V = D^-1/2 W D^-1/2`` of its row sums D,

``X = (I - alpha V)^-1 E``,  E (C + n, C) a one for each text at its own node.

- :class:`ZLaP`, transductive: the images are all test images, whose scores are their rows of X.
- :class:`ZLaPInductive`: they are the training images, without labels; a test image's scores are ``s X`` of its own
  edges s (C + n) to them and to the texts. ``sparse`` keeps the largest of each node's C scores alone.

What is learned: nothing; k 5, gamma 5 and alpha 0.3 are the defaults of the code, for all datasets.
Where promptlab departs: logits are the logarithms of the scores; X is its series, ``X = E + alpha V X`` from ``X = E``
until the next term is below 1e-7 (theirs: conjugate gradients to 1e-6, in at most 50 rounds), and the inductive
scores are by the symmetry of the inverse products with it (theirs solve for each test image). Of K views of an image
without a label the mean counts; theirs is the plain view, ``views=0``. Their classifiers by InMaP are left out. By
``ZLaP`` a single picture is scored as zero-shot CLIP does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Interval, Le
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.learner import Scorer
from promptlab.learners.base.neighbours import nearest
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Batch, ClosedFormStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates

_LEFT_OUT = 1e-7
"""Bound of the first term of the series that is left out, V having no eigenvalue beyond 1."""
_Neighbours = Annotated[int, Interval(ge=1, le=10_000)]
_Power = Annotated[float, Gt(0), Le(1_000)]
_Share = Annotated[float, Interval(gt=0, le=0.99)]


class ZLaP(ReadsTexts, TextSideLearner):
    """Zero-shot CLIP whose texts' labels spread over all test images.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        neighbours: k, of each image among the images, itself counted, and among the texts.
        gamma: power of the cosines of images and texts, which are smaller than those of images.
        alpha: how far labels spread: the weight of each further edge.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.ZLaP(clip, ["red circle", "blue star"])
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
        neighbours: _Neighbours = 5,
        gamma: _Power = 5.0,
        alpha: _Share = 0.3,
    ) -> None:
        super().__init__(clip, class_names)
        self.neighbours, self.gamma, self.alpha = neighbours, gamma, alpha
        self.read_texts(template, templates, prompts)

    def fit_plan(self) -> list[Stage]:
        """Nothing is learned beforehand."""
        return []

    def score_together(self, inputs: Tensor) -> Tensor:
        """Logits (Q, C) of all test images (Q, D): the logarithms of their scores."""
        texts = self.text_features()
        return _logarithms(propagated(inputs, texts, self.neighbours, self.gamma, self.alpha)[len(texts) :])


class ZLaPInductive(ZLaP):
    """The same over ``unlabelled`` images (n, D), which are kept; each test image is scored alone.

    Args:
        clip: the frozen backbone; all but the last as for :class:`ZLaP`.
        class_names: names of the C classes.
        template: the dataset's hand-written prompt.
        templates: other prompts instead.
        prompts: sentences about each class instead.
        neighbours: of each image among the images and among the texts.
        gamma: power of the cosines of images and texts.
        alpha: how far labels spread.
        sparse: whether each node keeps the largest of its scores alone.

    Raises:
        ValueError: for a number out of range, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZLaPInductive(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> [(stage.name, stage.uses_unlabelled) for stage in learner.fit_plan()]
        [('unlabelled', True)]
    """

    transductive = False
    uses_unlabelled = True
    unlabelled: Tensor
    nodes: Tensor
    columns: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        neighbours: _Neighbours = 5,
        gamma: _Power = 5.0,
        alpha: _Share = 0.3,
        sparse: bool = False,
    ) -> None:
        super().__init__(
            clip, class_names, template=template, templates=templates, prompts=prompts, neighbours=neighbours,
            gamma=gamma, alpha=alpha,
        )  # fmt: skip
        self.sparse = sparse
        self.register_buffer("unlabelled", torch.empty(0, clip.dim, device=clip.device))
        self._spread_from_own()

    def fit_plan(self) -> list[Stage]:
        """The images are kept."""
        return [ClosedFormStage("unlabelled", self._keep, uses_unlabelled=True)]

    def classes_changed(self, classes: ClassSet) -> None:
        """Some of the classes are columns of the scores of all; other names are nodes of another graph."""
        if classes.indices is None:
            self._spread_from_own()
        else:
            self.columns = self.columns[list(classes.indices)]

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of L2-normalised image features (B, D): the logarithms of their scores."""
        return self.scorer()(image_features)

    def scorer(self) -> Scorer:
        """The labels spread once."""
        known = self.unlabelled, self.nodes
        with torch.no_grad():
            x = propagated(*known, self.neighbours, self.gamma, self.alpha)  # (C + n, C)
            if self.sparse:
                x = x.where(x == x.max(dim=1, keepdim=True).values, 0)
            x = x[:, self.columns]
        return lambda f: _logarithms(edges(f, *known, self.neighbours, self.gamma) @ x)

    def _keep(self, train: Batch, val: Batch | None) -> None:
        """Of the K views of an image, (n, K, D), the mean is its node: they would all be near each other."""
        assert train.unlabelled is not None
        self.unlabelled.data = F.normalize(train.unlabelled.float().mean(1), dim=-1)

    def _spread_from_own(self) -> None:
        """The graph's texts are the classes'. They follow from the names, so they aren't saved."""
        texts = self.text_features()
        self.register_buffer("nodes", texts, persistent=False)
        self.register_buffer("columns", torch.arange(len(texts), device=texts.device), persistent=False)


def edges(f: Tensor, images: Tensor, texts: Tensor, neighbours: int, gamma: float) -> Tensor:
    """Weights S, sparse (B, C + n), of features' edges to their nearest texts and images.

    Args:
        f: (B, D) features, L2-normalised.
        images: (n, D) the graph's images, likewise.
        texts: (C, D) its texts.
        neighbours: k.
        gamma: power of the cosines of texts.
    """
    of_texts, to_texts = nearest(f, texts, neighbours)
    of_images, to_images = nearest(f, images, neighbours)
    weights = torch.cat([of_texts.clamp(min=0) ** gamma, of_images.clamp(min=0)], dim=1)
    columns = torch.cat([to_texts, len(texts) + to_images], dim=1)
    rows = torch.arange(len(f), device=f.device).repeat_interleave(columns.shape[1])
    return _sparse(torch.stack([rows, columns.flatten()]), weights.flatten(), (len(f), len(texts) + len(images)))


def propagated(images: Tensor, texts: Tensor, neighbours: int, gamma: float, alpha: float) -> Tensor:
    """Scores X (C + n, C) of the texts, which come first, and of the images.

    Args:
        images: (n, D), L2-normalised.
        texts: (C, D) likewise.
        neighbours: k.
        gamma: power of the cosines of texts.
        alpha: weight of each further edge.
    """
    C, nodes = len(texts), len(texts) + len(images)
    own = edges(images, images, texts, neighbours, gamma)
    rows, columns, weights = own.indices()[0] + C, own.indices()[1], own.values()
    apart = rows != columns
    pairs = torch.stack([rows, columns])[:, apart]
    both, twice = torch.cat([pairs, pairs.flip(0)], dim=1), weights[apart].repeat(2)
    sums = twice.new_zeros(nodes).index_add(0, both[0], twice)
    scale = sums.rsqrt().where(sums > 0, 0)
    V = _sparse(both, twice * scale[both[0]] * scale[both[1]], (nodes, nodes))
    start = torch.eye(nodes, C, device=texts.device)
    x = start
    for _ in range(math.ceil(math.log(_LEFT_OUT) / math.log(alpha))):
        x = start + alpha * (V @ x)
    return x


def _sparse(places: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(places, values, shape, check_invariants=False).coalesce()


def _logarithms(scores: Tensor) -> Tensor:
    return scores.clamp(min=torch.finfo(scores.dtype).tiny).log()

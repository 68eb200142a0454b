"""MMRL++: MMRL with maps that differ by low rank, and with tokens that keep a part of what stood in their places.

Paper: https://arxiv.org/abs/2505.10088; code: yunncheng/MMRL. The token maps of a tower share a matrix W (width, R):
that of the j-th layer is ``W + A_j B_j`` with a bias of its own, of rank ``residual_rank``. In later layers
``beta v_j + (1 - beta) x`` stands in the tokens' places, x what the layer before left there. The mean of what the
tokens became goes through CLIP's own projection plus ``A B`` of rank ``head_rank``. All else is MMRL.
What is learned: the tokens, W, A_j, B_j and biases of both towers, A and B; B from zeros, so that the second feature
begins as CLIP's projection of the tokens.
Where promptlab departs: as MMRL. The authors score every other dataset with a beta of its own, for which there is
nothing to choose by but that dataset's test images: the beta of training is the default here, and theirs is
``target_betas``, of which Results and tables say ``selected_on_test`` (``learner=mmrl_pp_published``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import torch
from annotated_types import Interval
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP, StatesPrecision
from promptlab.clip.inserted import Inserted
from promptlab.learners.base.layers import linear
from promptlab.learners.base.optim import Optim
from promptlab.learners.mmrl import Layer, RepresentationLearner, RepWidth, Share, TokenCount, Weight
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template

Rank = Annotated[int, Interval(ge=1, le=10_000)]


class MMRLPlusPlus(RepresentationLearner):
    """Token maps around one shared matrix for each tower, and a head around CLIP's projection.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer with a projection.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        n_tokens: K, representation tokens.
        rep_dim: R, their width.
        first_layer: before which they join the sequences, counted from 1.
        last_layer: before which they are renewed for the last time.
        beta: share of a layer's own tokens in what stands in their places.
        target_betas: other betas for the test images of other datasets, by the dataset's name.
        residual_rank: of what sets a layer's map apart from the shared matrix.
        head_rank: of what sets the head apart from CLIP's projection.
        alpha: how much the image's feature counts beside its tokens'.
        weight: of the distance from the plain CLIP's features.
        optim: optimiser and schedule; AdamW for 10 epochs in batches of 4, as in base-to-new, if None.
        keep_states: as of :class:`~promptlab.learners.mmrl.MMRL`.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take tokens, or has no projection.
        ValueError: for layers that the towers don't have, a number out of range, or a template without ``{}``.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.MMRLPlusPlus(clip, ["red circle", "blue star"], first_layer=3, last_layer=4)
        >>> torch.equal(learner.head(), clip.image_projection)
        True
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
        beta: Share = 0.9,
        target_betas: Mapping[str, Share] | None = None,
        residual_rank: Rank = 4,
        head_rank: Rank = 64,
        alpha: Share = 0.7,
        weight: Weight = 0.2,
        optim: Optim | None = None,
        keep_states: StatesPrecision | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            clip, class_names, template=template, layers=(first_layer, last_layer), alpha=alpha, weight=weight,
            optim=optim or Optim(name="adamw", lr=1e-3, epochs=10, batch_size=4), keep_states=keep_states,
        )  # fmt: skip
        generator = generator or torch.Generator().manual_seed(0)
        self.beta, self.target_betas = beta, target_betas
        self.selected_on_test = bool(target_betas)
        self.tokens = nn.Parameter(0.02 * torch.randn(n_tokens, rep_dim, generator=generator))
        self.projections = nn.ModuleDict(
            {
                tower: AroundOne(rep_dim, width, len(self.layers), residual_rank, generator)
                for tower, width in (("text", clip.width), ("vision", clip.vision_width))
            }
        )
        self._projection = clip.image_projection  # (V, D)
        self.residual = Residual(len(self._projection), clip.dim, head_rank, generator)
        self.to(clip.device)

    def tested_on(self, dataset: str, source: str) -> Self:
        """As MMRL's, with the dataset's own beta where there is one."""
        other = super().tested_on(dataset, source)
        if other is not self and self.target_betas:
            other.beta = self.target_betas.get(dataset, self.beta)
        return other

    def inserted(self, tower: str) -> Inserted:
        """What the ``text`` or ``vision`` tower gets."""
        own = self.projections[tower](self.tokens)
        return Inserted(dict(zip(self.layers, own, strict=True)), share=self.beta)

    def head(self) -> Tensor:
        """(V, D): through what the mean of the tokens is projected."""
        changed: Tensor = self._projection.to(self.clip.device) + self.residual()
        return changed

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        start = "representation_learner"
        own = {
            "tokens": f"{start}.compound_rep_tokens",
            "residual.A": "image_encoder.A",
            "residual.B": "image_encoder.B",
        }
        for tower in self.projections:
            maps, theirs = f"projections.{tower}", f"{start}.srra_r2{tower[0]}proj"
            own[f"{maps}.weight"] = f"{theirs}.weight"
            for j in range(len(self.layers)):
                own[f"{maps}.biases.{j}"] = f"{theirs}.srra.{j}.bias"
                own |= {f"{maps}.residuals.{j}.{part}": f"{theirs}.srra.{j}.{part}" for part in "AB"}
        return own


class Residual(nn.Module):
    """A matrix ``A B`` of low rank: A (out, rank) from U(-1/sqrt(rank), 1/sqrt(rank)), B (rank, in) from zeros.

    Args:
        width_out: rows.
        width_in: columns.
        rank: of the product.
        generator: source of the draw.
    """

    def __init__(self, width_out: int, width_in: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(rank)
        self.A = nn.Parameter(torch.empty(width_out, rank).uniform_(-bound, bound, generator=generator))
        self.B = nn.Parameter(torch.zeros(rank, width_in))

    def forward(self) -> Tensor:
        """(out, in)."""
        return self.A @ self.B


class AroundOne(nn.Module):
    """The maps of a tower's layers: a matrix that they share, and for each a residual and a bias.

    Args:
        rep_dim: R.
        width: of the tower.
        layers: how many maps.
        rank: of the residuals.
        generator: source of the draws.
    """

    def __init__(self, rep_dim: int, width: int, layers: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        one = linear(rep_dim, width, generator)
        self.weight = one.weight  # (width, R)
        self.residuals = nn.ModuleList(Residual(width, rep_dim, rank, generator) for _ in range(layers))
        self.biases = nn.ParameterList(one.bias.detach().clone() for _ in range(layers))

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Tokens (K, R) as each layer gets them, (K, width)."""
        pairs: Any = zip(self.residuals, self.biases, strict=True)
        return [tokens @ (self.weight + residual()).T + bias for residual, bias in pairs]

"""PLOT: several prompts a class, matched to the regions of an image by optimal transport.

Paper: PLOT: Prompt Learning with Optimal Transport for Vision-Language Models, https://arxiv.org/abs/2210.01253; code:
CHENGY12/PLOT. With x_r (D) the feature of one of R regions of the image and g_cp (D) that of the p-th of P prompts of a
class, both L2-normalised, S_rp = x_r g_cp (R, P) and K = exp(-(1 - S) / 0.1), Sinkhorn's rounds from ones

``u_r = 1 / R / (K v)_r``,  ``v_p = 1 / P / (K' u)_p``

end when the mean change of u falls below 0.01, at 100 at the latest. The plan ``T = diag(u) K diag(v)`` is held fixed;
the class's similarity is ``sum_rp T_rp S_rp``, to which ImageNet adds that of the whole image's feature and the mean of
the prompts.
What is learned: P contexts (P, M, E), shared by the classes.
Where promptlab departs: fp32, a generator of its own. The change is averaged over a batch, so that a score depends on
the other images of it: training keeps that, an image is scored as if it stood alone. The authors have ResNets, whose
regions are the attention pooling's answers at each of their places; on a vision transformer they are its patch tokens,
behind the last layer norm and the projection, of which the paper says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.starting_context import ContextLength, starting_context

SHARPNESS, CLOSE_ENOUGH, MOST_ROUNDS = 0.1, 0.01, 100


class PLOT(PromptLearner):
    """Contexts in front of the class name, trained by cross-entropy on images.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_prompts: P, contexts.
        n_ctx: M, vectors of each, drawn from N(0, 0.02).
        add_global: add the similarity of the whole image to the mean of the prompts, as the authors do on ImageNet.
        optim: optimiser and schedule; 50 epochs in batches of 128, as the authors, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower doesn't tell regions.
        ValueError: for a number out of range, or a prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> learner = promptlab.PLOT(promptlab.load_clip("demo"), ["red circle", "blue star"], n_ctx=4)
        >>> learner.prompt_features().shape  # (P, C, D)
        torch.Size([4, 2, 128])
    """

    balances = True
    needs = "images"
    open_vocabulary = True
    per_class = ("prompts",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_prompts: Annotated[int, Interval(ge=1, le=100)] = 4,
        n_ctx: ContextLength = 16,
        add_global: bool = False,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        _ = clip.tell_regions  # refuses a tower that tells none
        start = starting_context(clip, None, n_ctx, default=n_ctx, copies=n_prompts, generator=generator)
        self.add_global, self.optim = add_global, optim or Optim(batch_size=128)
        self.ctx = nn.Parameter(start)  # (P, M, E)
        self.prompts = ClassPrompts(clip, class_names, n_ctx=n_ctx)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        return self._logits(self.regions(images), self.prompt_features())

    def scorer(self) -> Scorer:
        """The classifier with the prompts encoded once."""
        with torch.no_grad():
            texts = self.prompt_features()
        return lambda images: self._logits(self.regions(images), texts)

    def prompt_features(self) -> Tensor:
        """(P, C, D), of the length that the text tower gives them."""
        return self.prompts.encode_for_images(self.ctx, normalised=False)

    def regions(self, images: Tensor) -> Tensor:
        """(B, 1 + R, D) L2-normalised: of the whole images (B, 3, H, W), and of their regions."""
        return F.normalize(self.clip.encode_regions(images), dim=-1)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy; the rounds of transport end for all images of the batch at once."""
        logits = self._logits(self.regions(batch.inputs), self.prompt_features(), together=True)
        return self.balance.cross_entropy(logits, batch.labels)

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        return {"ctx": "prompt_learner.ctx"}

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the contexts."""
        return [GradientStage("contexts", [self.ctx], self.loss, self.optim)]

    def _logits(self, regions: Tensor, texts: Tensor, *, together: bool = False) -> Tensor:
        prompts = F.normalize(texts, dim=-1)
        similarities = torch.einsum("brd,pcd->bcrp", regions[:, 1:], prompts).float()
        matched = (transport(similarities, together=together) * similarities).sum((-2, -1))  # (B, C)
        if self.add_global:
            matched = matched + regions[:, 0] @ F.normalize(texts.mean(0), dim=-1).T
        return self.clip.as_logits(matched)


@torch.no_grad()
def transport(similarities: Tensor, *, together: bool = False) -> Tensor:
    """How much of each region goes to each prompt, of each image and class: plans that sum to 1.

    Args:
        similarities: (B, C, R, P).
        together: end the rounds by the mean change over all images, in place of each image's own.

    Returns:
        (B, C, R, P), without gradient.

    Example:
        >>> plan = transport(torch.tensor([[[[0.9, 0.1], [0.1, 0.9]]]]))
        >>> plan[0, 0].round(decimals=2).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    B, _, R, P = similarities.shape
    kernel = ((similarities - 1) / SHARPNESS).exp()
    u, v = torch.ones_like(kernel[..., 0]), torch.ones_like(kernel[..., 0, :])  # (B, C, R), (B, C, P)
    going = torch.ones(B, 1, 1, dtype=torch.bool, device=u.device)
    for _ in range(MOST_ROUNDS):
        next_u = 1 / R / (kernel @ v.unsqueeze(-1)).squeeze(-1)
        next_v = 1 / P / (next_u.unsqueeze(-2) @ kernel).squeeze(-2)
        change = (next_u - u).abs().mean((1, 2), keepdim=True)
        u, v = torch.where(going, next_u, u), torch.where(going, next_v, v)
        going = going & ((change.mean() if together else change) >= CLOSE_ENOUGH)
        if not going.any():
            break
    return u.unsqueeze(-1) * kernel * v.unsqueeze(-2)

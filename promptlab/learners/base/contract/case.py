"""What the tests of a learner are about: one over classes of the embedded demo, trained or not, and a batch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.weights.load import load_clip
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.new_process import Saved
from promptlab.learners.base.offers import Offers
from promptlab.learners.base.short_fit import short_fit
from promptlab.learners.base.stages import Batch

NAMES = ("red striped star", "blue circle", "green dotted moon", "white cross", "pink arrow")
OTHER_NAMES = ("yellow ring", "purple plaid square", "orange heart")
TEMPLATE = "a photo of a {}."


class LearnerCase:
    """A learner's class and its hyper-parameters for the tests, and what the tests make of them."""

    learner: ClassVar[type[PromptLearner]]
    arguments: ClassVar[Mapping[str, Any]] = {}

    def make(self, seed: int = 1) -> PromptLearner:
        """A fresh learner over five classes of the embedded demo."""
        offers = Offers(
            template=TEMPLATE,
            has_images=tuple(label < 3 or not self.learner.uses_new_names for label in range(len(NAMES))),
            generator=torch.Generator().manual_seed(seed),
        )
        return self.learner(backbone(), NAMES, **offers.to(self.learner), **self.arguments)

    def trained(self) -> PromptLearner:
        """A learner after a few steps, in eval mode."""
        return short_fit(self.make().train(), self.batch()).eval()

    def saved(self) -> Saved:
        """A trained learner as a new process gets it."""
        return Saved.of(self.trained(), self.batch().inputs)

    def batch(self) -> Batch:
        """Six items: features (6, D) or (6, V), or images (6, 3, H, W), whichever the learner needs and reads.

        A learner that ``uses_new_names`` gets items of the first three classes alone, as its ``has_images`` says.
        """
        clip, generator = backbone(), torch.Generator().manual_seed(0)
        needs, reads, normalised = _inputs_of(type(self))  # type: ignore[arg-type]  # mypy asks for the hash of its instances
        labels = torch.tensor([0, 1, 2, 0, 1, 2] if self.learner.uses_new_names else [0, 1, 2, 3, 4, 0])
        losses = torch.Generator().manual_seed(0)
        if needs == "images":
            return Batch(torch.randn(6, 3, clip.image_size, clip.image_size, generator=generator), labels, losses)
        width = clip.dim if reads == "projected" else clip.pre_projection_width
        features = torch.nn.functional.normalize(torch.randn(6, width, generator=generator), dim=-1)
        if not normalised:
            features = features * torch.linspace(5, 15, 6).unsqueeze(1)
        return Batch(features, labels, losses)


@cache
def backbone() -> FrozenCLIP:
    """The embedded demo."""
    return load_clip("demo")


@cache
def _inputs_of(contract: type[LearnerCase]) -> tuple[str, str, bool]:
    """What its learner ``needs``, ``reads`` and whether that is ``normalised``: around another, what that one takes."""
    learner = contract().make()
    return learner.needs, learner.reads, learner.normalised


def require_close(actual: Tensor, expected: Tensor, message: str, advice: str = "") -> None:
    """Make sure that logits are of one shape, and the same but for rounding.

    Args:
        actual: what was scored.
        expected: what should have been.
        message: what is wrong if they differ.
        advice: what to do then.
    """
    assert actual.shape == expected.shape, f"{message}: shapes {tuple(actual.shape)} and {tuple(expected.shape)}"
    difference = float((actual - expected).abs().max())
    assert difference <= 1e-3, f"{message}, by up to {difference:.2g}{advice}"

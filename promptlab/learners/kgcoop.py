"""KgCoOp: CoOp whose class features stay close to those of a hand-written prompt.

Paper: Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, https://arxiv.org/abs/2303.13283; code:
htyao89/KgCoOp.
What is learned: CoOp's M context vectors; what changes is the loss.
Where promptlab departs: as CoOp. On unit vectors the term that is added, as the authors' code has it, is half of
``weight`` times the mean squared distance of the paper's formula.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.sides import Sides
from promptlab.learners.base.stages import Batch
from promptlab.learners.coop import CoOp
from promptlab.learners.zero_shot import ZeroShot
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.prompts.starting_context import ContextLength, ContextWords


class KgCoOp(CoOp):
    """CoOp's cross-entropy, plus what the learned class features lose of the hand-written prompt's.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, context vectors; the number of tokens of ``ctx_init``, or 16 without words, if None.
        ctx_init: words to start from; None draws from N(0, 0.02).
        template: the dataset's hand-written prompt, with ``{}`` for the class name; ``a photo of a {}.`` if None.
        teacher_template: the prompt that teaches, where it is another one.
        weight: of one minus the mean cosine similarity to the teacher's class features.
        optim: optimiser and schedule; 100 epochs in batches of 128, as the paper, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for a negative weight, a template without ``{}``, and as CoOp.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.KgCoOp(clip, ["red circle", "blue star"], ctx_init="a photo of a")
        >>> learner.text_features().shape  # (C, D)
        torch.Size([2, 128])
    """

    balances = True
    per_class = ("teacher",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: ContextLength | None = None,
        ctx_init: ContextWords | None = "a photo of a",
        template: Template | None = None,
        teacher_template: Template | None = None,
        weight: Annotated[float, Interval(ge=0, le=10_000)] = 8.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        optim = optim or Optim(epochs=100, batch_size=128)
        super().__init__(clip, class_names, n_ctx=n_ctx, ctx_init=ctx_init, optim=optim, generator=generator)
        taught = teacher_template or template or DEFAULT_TEMPLATE
        self.weight, self.teacher = weight, ZeroShot(clip, class_names, template=taught)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy plus ``weight * (1 - mean over classes of cosine(learned, teacher))``."""
        # the teacher's features go along as C more images: the text features are computed once for both terms
        scores: Tensor = self(torch.cat([batch.inputs, self.teacher.text_features()]))  # (B + C, C)
        logits, of_teacher = torch.split(scores, [len(batch.labels), len(self.class_names)])
        closeness = self.clip.as_similarities(of_teacher.diagonal())  # (C,)
        return self.balance.cross_entropy(logits, batch.labels) + self.weight * (1 - closeness.mean())

    def authors_unused(self, names: Collection[str]) -> Collection[str]:
        """A vector ``bias_vectors``, and where it is, a network called as CoCoOp's, and in a whole model an adapter.

        No loss of theirs reads them.
        """
        unused = "bias_vectors", "meta_net.", "adapter."
        return [name for name in names if "bias_vectors" in names and name.startswith(unused)]

    def regulariser(self, sides: Sides) -> Tensor:
        """``weight * (1 - mean over classes of cosine(learned, teacher))``."""
        closeness = nn.functional.cosine_similarity(sides.texts, self.teacher.text_features(), dim=-1)  # (C,)
        return self.weight * (1 - closeness.mean())

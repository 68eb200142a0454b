"""Hand-written prompts whose way through the text tower is changed: vectors behind SOS, or adapters in the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from promptlab.class_text.given_names import checked_names
from promptlab.class_text.templates import DEFAULT_TEMPLATE, check_template
from promptlab.clip.adapters import Adapters
from promptlab.clip.inserted import Inserted
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged

if TYPE_CHECKING:
    from promptlab.clip.frozen import FrozenCLIP


class WrittenPrompts:
    """The hand-written prompts of C classes, waiting for what a step adds to the tower.

    Args:
        clip: the frozen backbone.
        class_names: C names; underscores are read as spaces.
        template: with ``{}`` for the class name.

    Raises:
        ValueError: for a template without ``{}``, or a prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> from promptlab.clip import Inserted
        >>> clip = promptlab.load_clip("demo")
        >>> prompts = WrittenPrompts(clip, ["red star", "blue circle"])
        >>> tokens = Inserted({1: torch.zeros(2, clip.width)})
        >>> prompts.encode(inserted=tokens).shape == (2, clip.dim)
        True
    """

    def __init__(self, clip: FrozenCLIP, class_names: Sequence[str], *, template: str = DEFAULT_TEMPLATE) -> None:
        self.class_names = checked_names(class_names)
        self.template = check_template(template)
        self._clip = clip
        self._opening = Ragged.pack([clip.embed_opening()])
        self._tails = clip.text_tokens([template.replace("{}", name.replace("_", " ")) for name in self.class_names])
        self._plan = PairPlan.zip(self._opening.lengths, self._tails.lengths)
        self._below: dict[int, tuple[Tensor, Ragged]] = {}
        self._plans: dict[int, PairPlan] = {}

    def encode(
        self, *, inserted: Inserted | None = None, adapters: Adapters | None = None, normalised: bool = True
    ) -> Tensor:
        """Text features (C, D), with gradients to what is added.

        Args:
            inserted: vectors behind SOS from a layer on. What lies below that layer is computed once for these classes.
            adapters: layer (0-based) to what its block gets added; everything is computed anew in every call.
            normalised: False for features of the length that the tower gives them.

        Raises:
            ValueError: for both at once, or for what doesn't fit the tower.
        """
        tower = self._clip.text_tower
        if inserted is None:
            return tower.encode(self._opening, self._tails, self._plan, adapters=adapters, normalised=normalised)
        if adapters:
            raise ValueError("inserted and adapters are both given: below the inserted vectors nothing may change")
        inserted.require(tower.layers, tower.width, "text")
        first, K = inserted.first, inserted.count
        sos, tails = self._states_before(first)
        prefix = Ragged.pack([torch.cat([sos, inserted.vectors[first].to(sos.dtype)])])  # (O + K, E)
        if K not in self._plans:
            self._plans[K] = PairPlan.zip(prefix.lengths, tails.lengths)
        later = {layer: vectors.unsqueeze(0) for layer, vectors in inserted.later.items()}
        return tower.encode(
            prefix, tails, self._plans[K], deep=later, share=inserted.share, start=first, normalised=normalised
        )

    def select(self, class_indices: Sequence[int]) -> WrittenPrompts:
        """The prompts of some of the classes."""
        return self.rebind([self.class_names[i] for i in class_indices], self.template)

    def rebind(self, class_names: Sequence[str], template: str) -> WrittenPrompts:
        """Prompts of other names, in their dataset's template."""
        return WrittenPrompts(self._clip, class_names, template=template)

    def _states_before(self, layer: int) -> tuple[Tensor, Ragged]:
        """Hidden states before a layer: of SOS (1, E), and of the prompts' tokens behind it."""
        if layer not in self._below:
            sos, tails = self._clip.text_tower.hidden_states(self._opening, self._tails, self._plan, layer)
            self._below[layer] = sos.rows, tails
        return self._below[layer]

"""What learners around another one share: the inner learner's tensors among their own, and what its files held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from promptlab.learners.base.learner import PromptLearner

INNER = "inner."
"""In front of the names of the inner learner's tensors and stages."""


class AroundAnother(PromptLearner):
    """A learner that holds another one as ``inner``."""

    inner: PromptLearner

    def keep_files_read(self, make_inner: Callable[..., PromptLearner]) -> None:
        """Note among the arguments what the inner learner's files held, so that a saved learner needs none of them.

        Args:
            make_inner: the argument that made the inner learner.
        """
        read = {key: self.inner.arguments[key] for key in self.inner.file_arguments if key in self.inner.arguments}
        if read:
            self.arguments = {**self.arguments, "inner": partial(make_inner, **read)}

    def learned_tensors(self) -> Mapping[str, Tensor]:
        """Its own tensors and the inner learner's, those under ``inner.``."""
        own = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(INNER)}
        return {**own, **{INNER + name: tensor for name, tensor in self.inner.learned_tensors().items()}}

    def take_shapes(self, tensors: Mapping[str, Tensor]) -> None:
        """Give both the saved rows of what a closed form fills; the inner learner checks its own."""
        super().take_shapes({name: tensor for name, tensor in tensors.items() if not name.startswith(INNER)})
        inner = {name.removeprefix(INNER): tensor for name, tensor in tensors.items() if name.startswith(INNER)}
        self.inner.take_shapes(inner)

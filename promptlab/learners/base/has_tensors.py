"""What a learner has learned, as tensors by name: what saving it means, and how saved ones are taken over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Self

import torch
from torch import Tensor, nn


class HasTensors(nn.Module):
    """Gives what it has learned as tensors by name, and takes over such tensors.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> one, other = (promptlab.CoOp(clip, ["red star", "blue circle"], n_ctx=2) for _ in range(2))
        >>> {name: tuple(tensor.shape) for name, tensor in one.learned_tensors().items()}
        {'ctx': (2, 128)}
        >>> other.load_learned(one.learned_tensors()) is other
        True
    """

    def learned_tensors(self) -> Mapping[str, Tensor]:
        """What saving a learner means: its state, without the backbone and anything that follows from the names."""
        return self.state_dict()

    def authors_names(self) -> Mapping[str, str]:
        """What each of the learned tensors is called in a checkpoint of the authors' code.

        Raises:
            TypeError: if that isn't known.
        """
        raise TypeError(f"{type(self).__name__} doesn't say what its tensors are called in its authors' checkpoints")

    def authors_unused(self, names: Collection[str]) -> Collection[str]:
        """Of the names in a checkpoint of the authors' code, those of tensors that it makes and never uses.

        Args:
            names: all that the checkpoint holds, without ``prompt_learner.`` in front.
        """
        return ()

    def of_authors(self, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The learned tensors out of a checkpoint of the authors' code, in which all of :meth:`authors_names` are.

        Args:
            found: all that the checkpoint holds, by name without ``prompt_learner.`` in front.
        """
        return {own: found[theirs.removeprefix("prompt_learner.")] for own, theirs in self.authors_names().items()}

    def take_shapes(self, tensors: Mapping[str, Tensor]) -> None:
        """Give parameters and buffers that a closed form fills (they have no rows yet) the saved ones' rows."""
        for name, tensor in self.state_dict(keep_vars=True).items():
            saved = tensors.get(name)
            if saved is not None and tensor.numel() == 0 and saved.shape[1:] == tensor.shape[1:]:
                tensor.data = saved.to(tensor.device, tensor.dtype, copy=True)

    def load_learned(self, tensors: Mapping[str, Tensor]) -> Self:
        """Take over saved tensors; those that a closed form fills take the saved number of rows too.

        Raises:
            ValueError: if tensors are missing, unknown, of other shapes or kinds, or not finite; the message names
                them, and nothing is changed.
        """
        before = {name: tensor.data for name, tensor in self.state_dict(keep_vars=True).items()}
        self.take_shapes(tensors)
        own = self.learned_tensors()
        problems = _problems(own, tensors)
        if problems:
            for name, tensor in self.state_dict(keep_vars=True).items():
                tensor.data = before[name]
            raise ValueError(f"these tensors don't fit {type(self).__name__}: {'; '.join(sorted(problems))}")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        return self


def _problems(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    """Why saved tensors can't take the place of a learner's own, in any order."""
    both = own.keys() & tensors.keys()
    problems = [f"{name} is missing" for name in own.keys() - tensors.keys()]
    problems += [f"{name} is unknown" for name in tensors.keys() - own.keys()]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in both
        if tensors[name].shape != own[name].shape
    ]
    problems += [
        f"{name} {problem}" for name in both if (problem := _unusable(tensors[name], like=own[name])) is not None
    ]
    return problems


def _unusable(tensor: Tensor, like: Tensor) -> str | None:
    """Why a saved tensor can't take the place of one of a learner."""
    if tensor.is_floating_point() != like.is_floating_point():
        return f"holds {tensor.dtype}, expected {like.dtype}"
    if not tensor.isfinite().all():
        return "holds NaN or infinities"
    return None

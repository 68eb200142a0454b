"""What a method's own authors trained, brought into the learner that promptlab has of it.

A learner says what each of its tensors is called there (``authors_names``). Passed over is what follows from the class
names, what their code makes and never uses (``authors_unused``), and what is the frozen CLIP, student's or teacher's,
whose tensors are compared with the backbone at hand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.learners.base.learner import PromptLearner
from promptlab.saved.dassl import read_dassl
from promptlab.support.words import some_of

Learner = TypeVar("Learner", bound=PromptLearner)
_OF_NAMES = ("token_prefix", "token_midfix", "token_suffix", "token_prefix2", "token_suffix2")
"""Buffers that follow from the class names; the last two in PromptKD's teachers, which keep new classes apart."""
_TOWERS = {"image_encoder.": "visual.", "text_encoder.": ""}
"""What the authors' models call the towers, and what CLIP does."""
_ROUNDED = 0.01
"""How far frozen fp16 weights may be from the backbone's, as a share of the largest."""


def import_checkpoint(path: str | Path, learner: Learner) -> Learner:
    """Give a learner what the method's own code learned.

    Args:
        path: a file that Dassl wrote, or a folder around it, as ``OUTPUT/NAME/model.pth.tar-EPOCH``; of a folder the
            last epoch is taken.
        learner: with the backbone, class names and hyper-parameters of that training; changed in place.

    Returns:
        The learner.

    Raises:
        FileNotFoundError: if there is no such file, or no checkpoint in the folder.
        CheckpointError: if the file is damaged or of another kind, if tensors are missing, unknown or of other shapes,
            or if its frozen CLIP isn't the learner's; the message names them, and nothing is changed.
        TypeError: if the learner's authors have no checkpoints that are known.

    Example:
        >>> maple = MaPLe(clip, class_names)  # doctest: +SKIP
        >>> import_checkpoint("output/MultiModalPromptLearner/model.pth.tar-5", maple)  # doctest: +SKIP
    """
    names = {own: _short(theirs) for own, theirs in learner.authors_names().items()}
    file, state = read_dassl(path, f"the authors of {type(learner).__name__}")
    found = {_short(name): value for name, value in state.items() if isinstance(value, Tensor)}
    _require_all(file, learner, names, found)
    _require_backbone(file, learner.clip, found)
    learner.load_learned({own: tensor.detach().float() for own, tensor in learner.of_authors(found).items()})
    return learner


def _short(name: str) -> str:
    """A name in the whole model as in its part that learns, of which some trainers save that part alone."""
    return name.removeprefix("prompt_learner.")


def _require_all(file: Path, learner: PromptLearner, names: Mapping[str, str], found: Mapping[str, Tensor]) -> None:
    """Refuse missing tensors, unknown ones, and other shapes."""
    whole, own = learner.clip.model.state_dict().keys(), learner.learned_tensors()
    frozen = _of_towers(whole)
    known = {*names.values(), *learner.authors_unused(found.keys())}
    unknown = [name for name in found.keys() - known if not _passed_over(name, whole, frozen)]
    problems = [f"lacks {some_of(sorted(lacking))}"] if (lacking := set(names.values()) - found.keys()) else []
    problems += [f"has {some_of(sorted(unknown))}, unknown to {type(learner).__name__}"] if unknown else []
    problems += [
        f"has {theirs} with shape {tuple(found[theirs].shape)}, expected {tuple(own[name].shape)}"
        for name, theirs in names.items()
        if theirs in found and found[theirs].shape != own[name].shape
    ]
    if problems:
        raise CheckpointError(
            f"{file} doesn't fit this {type(learner).__name__}: it {'; it '.join(problems)}. The learner needs the "
            "backbone and the arguments (n_ctx, depth, ...) that the checkpoint was trained with"
        )


def _of_towers(whole: Collection[str]) -> frozenset[str]:
    """Names of the frozen tensors in the whole model, and in either tower."""
    return frozenset(name.removeprefix(tower) for name in whole for tower in ("", "visual.", "text."))


def _passed_over(name: str, whole: Collection[str], frozen: Collection[str]) -> bool:
    """Whether it follows from the class names, or is the whole model's, or a tower's inside some other module."""
    parts: Sequence[str] = name.split(".")
    if parts[-1] in _OF_NAMES or name in whole:
        return True
    return any(".".join(parts[i:]) in frozen for i in range(1, len(parts)))


def _require_backbone(file: Path, clip: FrozenCLIP, found: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint whose frozen towers, where it holds them, aren't the backbone's."""
    own: dict[str, Any] = clip.model.state_dict()
    for theirs, ours in _TOWERS.items():
        for name, tensor in found.items():
            frozen = own.get(ours + name.removeprefix(theirs)) if name.startswith(theirs) else None
            if frozen is not None and not _equal(tensor, frozen):
                raise CheckpointError(
                    f"{file} was trained on another backbone than {clip.name}: its frozen {name} is another one"
                )


def _equal(tensor: Tensor, frozen: Tensor) -> bool:
    if tensor.shape != frozen.shape:
        return False
    near = _ROUNDED * float(frozen.abs().max())
    return torch.allclose(tensor.float(), frozen.float().to(tensor.device), rtol=0, atol=near)

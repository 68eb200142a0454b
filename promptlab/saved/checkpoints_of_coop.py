"""Context vectors out of the checkpoints that CoOp's and CoCoOp's own code writes.

Dassl saves a dictionary with ``state_dict``, ``epoch``, ``optimizer``, ``scheduler`` and ``val_result`` as
``OUTPUT/prompt_learner/model.pth.tar-EPOCH``. Its scheduler is pickled as an object with its optimiser inside, which
``weights_only`` refuses. So each class or function that the pickle names and torch doesn't know as harmless is replaced
by one that does nothing: nothing that a file names is imported or called.
"""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.support.pointers import refuse_pointer
from promptlab.support.words import first_line

_FOLDER = "prompt_learner"
_EPOCH = re.compile(r"model\.pth\.tar-(\d+)")
_LEARNED = re.compile(r"ctx|meta_net\..+")  # token_prefix and token_suffix follow from the class names


def import_coop_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read what CoOp or CoCoOp learned from a checkpoint of the authors' code.

    Args:
        path: the file, the folder ``prompt_learner`` around it, or the output folder around that; of a folder the last
            epoch is taken. ``model-best.pth.tar`` is read only if it is named itself.

    Returns:
        ``ctx`` (M, E), or (C, M, E) if class-specific, and of CoCoOp ``meta_net.*``; fp32 on the CPU, as
        ``load_learned`` takes them.

    Raises:
        FileNotFoundError: if there is no such file, or no checkpoint in the folder.
        CheckpointError: if the file is damaged, of another kind, or holds no context vectors.

    Example:
        >>> tensors = import_coop_checkpoint("output/prompt_learner/model.pth.tar-50")  # doctest: +SKIP
        >>> CoOp(clip, class_names, n_ctx=16).load_learned(tensors)  # doctest: +SKIP
    """
    file = _file(Path(path).expanduser())
    loaded = _load(file)
    state = loaded.get("state_dict") if isinstance(loaded, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{file} is no checkpoint of CoOp's code: a dictionary with state_dict is expected")
    named = {str(name).removeprefix("module."): tensor for name, tensor in state.items()}  # "module." of DataParallel
    learned = {name: tensor for name, tensor in named.items() if _LEARNED.fullmatch(name)}
    if "ctx" not in learned or not all(isinstance(tensor, Tensor) for tensor in learned.values()):
        found = ", ".join(list(named)[:5]) or "nothing"
        raise CheckpointError(f"{file} holds no context vectors: ctx is expected in its state_dict, found {found}")
    return {name: tensor.detach().float().contiguous() for name, tensor in learned.items()}


class _Inert:
    """Stands for a class or function that a file names: takes any arguments and any state, and does nothing."""

    def __new__(cls, *arguments: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _inert_mapping(*arguments: Any) -> dict[Any, Any]:
    """The same for ``defaultdict``, which a pickle fills like a dictionary."""
    return {}


def _file(path: Path) -> Path:
    """The checkpoint that a path means."""
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(f"there is no checkpoint {path.absolute()}")
        return path
    folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
    epochs = {int(match[1]): file for file in folder.iterdir() if (match := _EPOCH.fullmatch(file.name))}
    if not epochs:
        others = sorted(file.name for file in folder.glob("*.pth.tar*"))
        hint = f"; it has {', '.join(others)}: name the file itself to read it" if others else ""
        raise FileNotFoundError(f"{folder.absolute()} has no model.pth.tar-EPOCH{hint}")
    return epochs[max(epochs)]


def _load(file: Path) -> Any:
    refuse_pointer(file, CheckpointError)
    try:
        named = get_unsafe_globals_in_checkpoint(file)
    except ValueError:  # not a zip archive: torch before 1.6
        named = []
    except Exception as error:  # whatever a damaged pickle leads to
        raise CheckpointError(f"{file} can't be read as a checkpoint ({first_line(error)})") from error
    stand_ins: list[Any] = [(_inert_mapping if name == "collections.defaultdict" else _Inert, name) for name in named]
    try:
        with safe_globals(stand_ins):
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{file} is damaged, was saved by a torch before 1.6 together with objects, or names what must not be "
            f"loaded: refused ({first_line(error)[:200]}). Where you trust it, load it with the torch that wrote it "
            "and save its state_dict alone: torch.save({'state_dict': checkpoint['state_dict']}, file)"
        ) from error
    except Exception as error:
        raise CheckpointError(f"{file} can't be read as a checkpoint ({first_line(error)})") from error

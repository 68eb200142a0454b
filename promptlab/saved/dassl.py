"""The state dict out of a checkpoint that Dassl wrote, or a trainer that is built on it, safely.

Dassl saves a dictionary with ``state_dict``, ``epoch``, ``optimizer``, ``scheduler`` and ``val_result`` as
``OUTPUT/NAME/model.pth.tar-EPOCH``, NAME that of the module that trained. Its scheduler is pickled as an object with
its optimiser inside, which ``weights_only`` refuses. So each class or function that the pickle names and torch doesn't
know as harmless is replaced by one that does nothing: nothing that a file names is imported or called.
"""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.support.errors import NotThereError
from promptlab.support.pointers import refuse_pointer
from promptlab.support.words import first_line, some_of

_EPOCH = re.compile(r"model\.pth\.tar-(\d+)")


def read_dassl(path: str | Path, whose: str) -> tuple[Path, dict[str, Any]]:
    """The file that a path means, and its state dict: what a tensor is called, and mostly tensors.

    Args:
        path: the file, the folder of epochs around it, or the output folder around that; of a folder the last epoch is
            taken. ``model-best.pth.tar`` is read only if it is named itself.
        whose: what messages call the code that wrote it.

    Raises:
        FileNotFoundError: if there is no such file, no checkpoint in the folder, or more than one module's.
        CheckpointError: if the file is damaged, or of another kind.
    """
    file = _file(Path(path).expanduser())
    loaded = _load(file)
    state = loaded.get("state_dict") if isinstance(loaded, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{file} is no checkpoint of {whose}: a dictionary with state_dict is expected")
    return file, {str(name).removeprefix("module."): tensor for name, tensor in state.items()}  # of DataParallel


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
            raise NotThereError(f"there is no checkpoint {path.absolute()}")
        return path
    folders = [path] if _epochs(path) else [inner for inner in sorted(path.iterdir()) if _epochs(inner)]
    if len(folders) > 1:
        raise NotThereError(
            f"{path.absolute()} has checkpoints of several modules, {some_of([inner.name for inner in folders])}: name "
            "one of these folders"
        )
    if not folders:
        others = sorted(file.relative_to(path).as_posix() for file in path.glob("**/*.pth.tar*"))
        hint = f"; it has {', '.join(others)}: name the file itself to read it" if others else ""
        raise NotThereError(f"{path.absolute()} has no model.pth.tar-EPOCH{hint}")
    epochs = _epochs(folders[0])
    return epochs[max(epochs)]


def _epochs(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder by epoch."""
    files = folder.iterdir() if folder.is_dir() else ()
    return {int(match[1]): file for file in files if (match := _EPOCH.fullmatch(file.name))}


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

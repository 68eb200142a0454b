"""The folder of all datasets, in which each has its own, as CoOp lays them out."""

from __future__ import annotations

from pathlib import Path

from promptlab.support.errors import DatasetError
from promptlab.support.words import some_of


def datasets_folder(name: str, root: str | Path | None, inside: str) -> Path:
    """The absolute folder of all datasets.

    Args:
        name: the dataset that is wanted, for messages.
        root: the folder, as the user gave it.
        inside: what belongs where under it, for messages, e.g. ``images in FOLDER/eurosat``.

    Raises:
        DatasetError: if none is given or it does not exist.
    """
    if not root:
        raise DatasetError(f"{name} needs the folder of your datasets: set data.root=FOLDER ({inside})")
    base = Path(root).expanduser().absolute()
    if not base.is_dir():
        raise DatasetError(f"{name}: the folder of datasets does not exist: {base}. Set data.root to the right one.")
    return base


def existing_folder(name: str, root: str | Path | None, folder: str, hint: str) -> Path:
    """A dataset's own folder in that of all datasets.

    Args:
        name: the dataset.
        root: the folder of all datasets, as the user gave it.
        folder: the dataset's folder under it.
        hint: ends the message where it is missing: what belongs in it.

    Raises:
        DatasetError: if one of the two is missing, with the place where it belongs.
    """
    base = datasets_folder(name, root, f"files in FOLDER/{folder}") / folder
    if not base.is_dir():
        raise DatasetError(f"{name}: its folder is missing. It belongs at {base}{hint}; {what_lies_in(base.parent)}.")
    return base


def what_lies_in(folder: Path) -> str:
    """What is there in place of something that is missing, for a message."""
    if not folder.is_dir():
        return f"there is no {folder}"
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return f"{folder} holds {some_of(names)}" if names else f"{folder} is empty"

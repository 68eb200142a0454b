"""What a dataset of one's own is called where nobody says so."""

from __future__ import annotations

import re
from pathlib import Path

from promptlab.data.readers.split_names import split_of

_FILES = (".csv", ".tsv", ".json", ".npz", ".npy", ".safetensors")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")


def own_name(name: str | None, kind: str, path: str | Path) -> str:
    """The name that was given, or that of the folder or file, which can be part of a path on every system.

    A file that is called like a split has the name of its folder.

    Args:
        name: as it was given, or None.
        kind: what configurations call datasets of this kind; counts as none, since it tells nothing apart.
        path: the folder or file.

    Example:
        >>> own_name("folder", "folder", "photos/my pets (2)"), own_name(None, "csv", "photos/pets.csv")
        ('my_pets_2', 'pets')
        >>> own_name(None, "features", "photos/pets/train.npz")
        'pets'
        >>> own_name("mine", "csv", "photos/pets.csv")
        'mine'
    """
    if name is not None and name != kind:
        return name
    place = Path(path)
    own = place.stem if place.suffix.lower() in _FILES else place.name
    if own != place.name and split_of(own) is not None:
        own = place.absolute().parent.name
    return _UNSAFE.sub("_", own).strip("_.-+") or kind

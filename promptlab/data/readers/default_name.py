"""What a dataset of one's own is called where nobody says so."""

from __future__ import annotations

import re
from pathlib import Path

_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")


def name_of(path: str | Path) -> str:
    """The name of a folder or file as the name of a dataset, which can be part of a path on every system.

    Example:
        >>> name_of("photos/my pets (2)"), name_of("photos/pets.csv")
        ('my_pets_2', 'pets')
    """
    place = Path(path)
    name = place.stem if place.suffix in (".csv", ".json", ".npz", ".npy", ".safetensors") else place.name
    return _UNSAFE.sub("_", name).strip("_.-+") or "unnamed"

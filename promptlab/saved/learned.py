"""``learned.safetensors``: the tensors of a saved learner, taken only if they are as they were written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from promptlab.saved.card import CARD_NAME, LEARNED_NAME, Card, CardError
from promptlab.support.checksums import DamageError
from promptlab.support.pointers import refuse_pointer
from promptlab.support.tensor_files import check


def require_saved(folder: Path) -> None:
    """Make sure that a folder holds a card and tensors.

    Raises:
        CardError: naming the file that isn't there.

    Example:
        >>> require_saved(Path("no/such/folder"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        promptlab.saved.card.CardError: no/such/folder has no card.json: a folder that ...
    """
    for name in (CARD_NAME, LEARNED_NAME):
        if not (folder / name).is_file():
            raise CardError(f"{folder} has no {name}: a folder that save_pretrained or a run wrote is expected")


def read_learned(path: Path, card: Card | None) -> Mapping[str, Tensor]:
    """What was learned, if the file is as it was written.

    Args:
        path: the file of tensors.
        card: the one beside it, whose hash must be the file's; None where there is none, and the file's own checksum,
            which those of earlier versions lack, has to do.

    Raises:
        CardError: if it is damaged or belongs to another card.
    """
    refuse_pointer(path, CardError)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if card is not None and found != card.learned_sha256:
        raise CardError(
            f"{path.name} is damaged or belongs to another card: SHA-256 {card.learned_sha256[:16]}... is expected, "
            f"found {found[:16]}..."
        )
    try:
        header = check(data)
        if card is None and header.metadata is not None and not header.sealed:
            raise DamageError("it has no checksum: it was changed after it was written")
        return load(data)
    except (SafetensorError, DamageError) as error:
        raise CardError(f"{path.name} can't be used ({error})") from error

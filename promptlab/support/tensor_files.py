"""Files of tensors that carry their own checksum: safetensors, whose format has none.

The checksum is SHA-256 over all bytes of the file, with zeros in its own place: an entry of promptlab's metadata in the
header, where other readers of safetensors pass over it. All metadata is one JSON text under one key, because
safetensors writes several keys in no fixed order, and equal tensors shall give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from promptlab.support.checksums import CHECKSUM, DamageError

METADATA_KEY = "promptlab"
"""Of promptlab's metadata in a header."""
_DIGITS = 64
_ZEROS = "0" * _DIGITS
_MARK = b'\\"checksum\\": \\"'  # as it stands in the header: JSON inside a JSON string


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Args:
        metadata: promptlab's, None where the header has no metadata at all.
        sealed: whether the file has a checksum, which then is its own.
    """

    metadata: Mapping[str, Any] | None
    sealed: bool


def pack(
    save: Callable[[dict[str, Any], dict[str, str]], bytes], tensors: Mapping[str, Any], metadata: Mapping[str, Any]
) -> bytes:
    """Tensors and metadata as the bytes of a file with its checksum.

    Args:
        save: of ``safetensors.numpy`` or ``safetensors.torch``.
        tensors: by name.
        metadata: plain values.

    Example:
        >>> import numpy as np
        >>> from safetensors.numpy import save
        >>> check(pack(save, {"ctx": np.zeros(2)}, {"of": "coop"}))
        Header(metadata={'of': 'coop'}, sealed=True)
    """
    data = save(dict(tensors), {METADATA_KEY: json.dumps({**metadata, CHECKSUM: _ZEROS})})
    start = data.index(_MARK) + len(_MARK)
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[start + _DIGITS :]


def check(data: bytes) -> Header:
    """What the header says, if the checksum is that of the bytes, or there is none.

    Raises:
        DamageError: for another checksum, or a header that can't be read.
    """
    metadata = _metadata(data)
    if metadata is None or CHECKSUM not in metadata:
        return Header(metadata, sealed=False)
    start = data.find(_MARK) + len(_MARK)
    blank = data[:start] + _ZEROS.encode() + data[start + _DIGITS :]
    if start < len(_MARK) or data[start : start + _DIGITS] != hashlib.sha256(blank).hexdigest().encode():
        raise DamageError("its bytes are not those that were written (its checksum is another): it was damaged")
    return Header({key: value for key, value in metadata.items() if key != CHECKSUM}, sealed=True)


def _metadata(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__")
        if found is None:
            return None
        own = json.loads(found[METADATA_KEY]) if METADATA_KEY in found else {}
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise DamageError(f"its header can't be read ({error}): it is damaged, or no safetensors file") from error
    if not isinstance(own, dict):
        raise DamageError(f"its metadata: expected an object, got a {type(own).__name__}: it is damaged")
    return own

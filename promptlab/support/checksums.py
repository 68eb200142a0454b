"""A checksum that a JSON document carries in itself, so that a changed one is never taken for a whole one.

It is a last key ``checksum``, over a canonical text of the rest: plain readers pass over it, and a document may be
laid out anew. What earlier versions wrote has none; its readers say what then counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from promptlab.support.errors import PromptlabError

CHECKSUM = "checksum"


class DamageError(PromptlabError, ValueError):
    """Content that is not what was written."""


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON document with its checksum as the last key.

    Args:
        document: plain values.

    Example:
        >>> list(sealed({"top1": 0.5}))
        ['top1', 'checksum']
    """
    return {**document, CHECKSUM: _digest(document)}


def unsealed(document: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """A document without its checksum, which must be that of the rest; layout and order of keys don't count.

    Args:
        document: plain values, as JSON gave them.
        required: whether one without a checksum is refused.

    Raises:
        DamageError: saying so.

    Example:
        >>> unsealed({**sealed({"top1": 0.5}), "top1": 0.6})
        Traceback (most recent call last):
        promptlab.support.checksums.DamageError: its values are not those that were written...
    """
    rest = {key: value for key, value in document.items() if key != CHECKSUM}
    if CHECKSUM not in document:
        if required:
            raise DamageError("it has no checksum: it was cut or changed after it was written")
        return rest
    if document[CHECKSUM] != _digest(rest):
        raise DamageError("its values are not those that were written (its checksum is another): "
                          "it was damaged, or edited by hand")  # fmt: skip
    return rest


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()

"""Content ids of images as bytes: how the files beside a Result keep them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CONTENT_ID_BYTES = 16


def pack_content_ids(content_ids: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Content ids of 32 hexadecimal digits as bytes, (N, 16).

    Raises:
        ValueError: if an id isn't 32 hexadecimal digits.

    Example:
        >>> pack_content_ids(["00ff" * 8]).shape
        (1, 16)
    """
    for content_id in content_ids:
        if len(content_id) != 2 * CONTENT_ID_BYTES or set(content_id) - set("0123456789abcdef"):
            raise ValueError(f"content id {content_id!r} is not {2 * CONTENT_ID_BYTES} lower-case hexadecimal digits")
    packed = np.frombuffer(bytes.fromhex("".join(content_ids)), dtype=np.uint8)
    return packed.reshape(len(content_ids), CONTENT_ID_BYTES)


def unpack_content_ids(image_ids: npt.NDArray[np.uint8]) -> list[str]:
    """N content ids of 32 hexadecimal digits, of bytes (N, 16).

    Example:
        >>> unpack_content_ids(pack_content_ids(["00ff" * 8]))
        ['00ff00ff00ff00ff00ff00ff00ff00ff']
    """
    return [row.tobytes().hex() for row in image_ids]

"""How pictures are read, where their files leave a choice."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.support.errors import DatasetError, UsageError

MAX_PIXELS = 180_000_000
"""The most pixels that a picture may have unless somebody says otherwise: 540 MB once it is decoded."""


class PictureError(DatasetError, OSError):
    """A picture that can't be read; the message names it and says what to do.

    Args:
        message: all of it.
        reason: what is wrong, without the picture's name and what to do.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


@dataclass(frozen=True)
class Reading:
    """Choices of whoever reads pictures.

    Args:
        exif: turn a picture as the orientation in its EXIF says. Off, as open_clip and CoOp read pictures, so that
            published numbers come out; on, all of a dataset's pictures get ids of their own.
        max_pixels: the most pixels a picture may have; a small file can ask for all memory.
        grey_bits: how many bits the values of grey pictures fill, 8 to 32, where files of 16 or 32 bits hold fewer.
            None asks each file (see :mod:`promptlab.data.pictures.greys`).

    Raises:
        UsageError: naming a value out of range.

    Example:
        >>> Reading(exif=True).marks, Reading().marks
        ('exif', '')
    """

    exif: bool = False
    max_pixels: int = MAX_PIXELS
    grey_bits: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.exif, bool):
            raise UsageError(f"exif={self.exif!r}: true or false is needed")
        if type(self.max_pixels) is not int or self.max_pixels < 1:
            raise UsageError(f"max_pixels={self.max_pixels!r}: a whole number from 1 is needed, such as {MAX_PIXELS}")
        bits = self.grey_bits
        if bits is not None and not (type(bits) is int and 8 <= bits <= 32):
            raise UsageError(f"grey_bits={bits!r}: a whole number from 8 to 32 is needed, or null to ask each file")

    @property
    def marks(self) -> str:
        """What of it makes other pictures of the same bytes; empty for the usual reading."""
        grey = "" if self.grey_bits is None else f"grey{self.grey_bits}"
        return " ".join(mark for mark in ("exif" * self.exif, grey) if mark)


USUAL = Reading()
"""As CoOp reads pictures."""

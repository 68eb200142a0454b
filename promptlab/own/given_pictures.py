"""Pictures of a program's own as a source: paths, bytes, PIL images, arrays, tensors, each read when it is wanted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from promptlab.data.pictures.identity import content_id, ids_under, picture_id
from promptlab.data.pictures.reading import Reading
from promptlab.evaluation.given import Given, name_of, pictures_given, read_given
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError

UPRIGHT = Reading(exif=True)
"""How one's own pictures are read: turned as the camera was held."""


class GivenPictures:
    """An ``ImageSource`` over pictures as users of Python have them.

    Args:
        pictures: one, or some, as :func:`promptlab.predict` takes them.

    Example:
        >>> source = GivenPictures([Image.new("RGB", (4, 4)), np.zeros((4, 4, 3), np.uint8)])
        >>> len(source), source.describe(1), len(set(source.content_ids([0, 1])))
        (2, 'picture 1', 1)
    """

    def __init__(self, pictures: Given | Iterable[Given]) -> None:
        self.reading = UPRIGHT
        self._pictures = [_kept(picture) for picture in pictures_given(pictures)]

    def __len__(self) -> int:
        return len(self._pictures)

    def open(self, index: int) -> Image.Image:
        """One picture as RGB.

        Raises:
            PictureError: a DatasetError, if it can't be read; the message names it.
            TypeError: if it is no picture.
        """
        return read_given(self._pictures[index], self.reading, name=self.describe(index))

    def describe(self, index: int) -> str:
        """Its path, or its place in the list."""
        return name_of(self._pictures[index], index)

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Ids of the files' bytes, the same as those of a folder's; of what is no file those of its pixels."""
        return [self._id(index) for index in np.asarray(indices, dtype=np.int64).tolist()]

    def _id(self, index: int) -> str:
        picture = self._pictures[index]
        if isinstance(picture, str):
            try:
                data = Path(picture).read_bytes()
            except OSError as error:
                raise DatasetError(f"{picture} can't be read: {error.strerror}") from error
            return ids_under(self.reading, [picture_id(data)])[0]
        if isinstance(picture, bytes):
            return ids_under(self.reading, [picture_id(picture)])[0]
        pixels = self.open(index)
        return content_id(f"{pixels.size} ".encode() + pixels.tobytes())


def _kept(picture: Given) -> Given:
    """A picture that can be read again: of a path its text, of an open file its bytes."""
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    if isinstance(picture, bytes | Image.Image | np.ndarray | Tensor):
        return picture
    if hasattr(picture, "read"):
        return picture.read()
    raise TypeError(f"a {type(picture).__name__} is no picture: files, PIL images, arrays and tensors are")

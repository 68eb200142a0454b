"""What a user gives as pictures: files, bytes, pictures of Pillow's, arrays and tensors, all read alike."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from promptlab.data.pictures.arrays import picture_of_array
from promptlab.data.pictures.picture import as_rgb, open_picture
from promptlab.data.pictures.reading import USUAL, PictureError, Reading
from promptlab.learners.base.learner import PromptLearner

Given = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | npt.NDArray[Any] | Tensor
"""One picture."""
_BEFORE = ". A picture is given as it is before the backbone's preprocess"


def pictures_given(images: Given | Iterable[Given]) -> Iterator[Given]:
    """The pictures one by one, where one alone may stand for a list of one.

    Of arrays, (H, W) and (H, W, C) are one picture, (N, H, W) are N grey ones and (N, H, W, C) or (N, C, H, W) a batch;
    (C, H, W) may be one picture or a few grey ones, so it is refused but inside a list. Of tensors, (H, W), (C, H, W)
    and (H, W, C) are one picture and those of four dimensions a batch, grey ones too. C is 1, 3 or 4.

    Raises:
        TypeError: for what is neither a picture nor some.
        PictureError: a DatasetError, for an array or a tensor that could be one picture or several; it says how to give
            either.
    """
    if isinstance(images, str | os.PathLike | bytes | Image.Image) or hasattr(images, "read"):
        yield images  # type: ignore[misc]
    elif isinstance(images, np.ndarray | Tensor) and _is_one(images):
        yield images
    elif isinstance(images, Iterable):
        yield from images
    else:
        raise TypeError(f"a list of files, PIL images, arrays or tensors is needed, got {type(images).__name__}")


def read_given(given: Given, reading: Reading = USUAL, *, name: str) -> Image.Image:
    """One picture as RGB.

    Args:
        given: the picture.
        reading: how it is read.
        name: what messages call it.

    Raises:
        PictureError: if it can't be read; the message names it.
        TypeError: if it is no picture.
    """
    if isinstance(given, str | os.PathLike):
        return open_picture(os.fspath(given), reading, name=name)
    if isinstance(given, bytes):
        return open_picture(BytesIO(given), reading, name=name)
    try:
        if isinstance(given, Image.Image):
            return as_rgb(given, reading)
        if isinstance(given, Tensor):
            pixels = given.detach().cpu()
            array = (pixels.float() if pixels.is_floating_point() else pixels).numpy()
            return picture_of_array(array, reading, channels_first=True)
        if isinstance(given, np.ndarray):
            return picture_of_array(given, reading)
    except PictureError as error:
        raise PictureError(f"{name} can't be read: {error}{_BEFORE if isinstance(given, Tensor) else ''}") from None
    if hasattr(given, "read"):
        return open_picture(given, reading, name=name)
    raise TypeError(f"{name} is a {type(given).__name__}: files, PIL images, arrays and tensors are pictures")


def reading_for(learner: PromptLearner, **chosen: bool | int | None) -> Reading:
    """How a learner's pictures are read: as those that it was fitted to, but for what is chosen and not None.

    Example:
        >>> import promptlab
        >>> reading_for(promptlab.ZeroShot(promptlab.load_clip("demo"), ["star"]), exif=True, max_pixels=None).choices
        {'exif': True}
    """
    return Reading(**{**learner.reading, **{key: value for key, value in chosen.items() if value is not None}})


def name_of(given: Given, position: int) -> str:
    """What a picture is called: its path, or its place in the list."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    path = getattr(given, "filename", "") or getattr(given, "name", "")  # of PIL images, of open files
    return path if isinstance(path, str) and path and not isinstance(given, Tensor) else f"picture {position}"


def _is_one(pixels: npt.NDArray[Any] | Tensor) -> bool:
    """By dimensions and channels alone: how many pictures there are never decides what they are taken for."""
    if pixels.ndim != 3 or pixels.shape[2] in (1, 2, 3, 4):  # of 2, as grey with alpha, none is read: that says so
        return pixels.ndim in (2, 3)
    shape, first = tuple(pixels.shape), pixels.shape[0] in (1, 3, 4)
    if isinstance(pixels, Tensor):
        if first:
            return True
        raise PictureError(
            f"a tensor of shape {shape} is no picture, whose channels come first, nor a batch: give grey ones as "
            "(N, 1, H, W), or a list of them"
        )
    if first:
        raise PictureError(
            f"an array of shape {shape} can be {pixels.shape[0]} grey pictures, or one with its channels first: give "
            "list(array) for grey ones, [array] for one"
        )
    return False

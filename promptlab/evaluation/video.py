"""Videos, frame by frame, by PyAV: FFmpeg's libraries, of which only readers of plain video files may run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image

from promptlab.data.pictures.reading import USUAL, PictureError, Reading
from promptlab.support.errors import UsageError
from promptlab.support.extras import extra

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".flv", ".ogv", ".3gp",
)  # fmt: skip
"""What names of videos end in."""
_PLAIN = {"format_whitelist": "mov,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg"}
"""Playlists, which lead to other files and to the network, are none of these, whatever a file is called."""


def is_video_name(name: str) -> bool:
    """Whether a file is a video, by its name's ending.

    Example:
        >>> is_video_name("pets/CAT.MP4"), is_video_name("pets/cat.gif")
        (True, False)
    """
    return name.lower().endswith(VIDEO_SUFFIXES)


def frames_of(
    path: str | os.PathLike[str], every: float = 1.0, reading: Reading = USUAL
) -> Iterator[tuple[float, Image.Image]]:
    """The frames of a video as pictures, one at a time, turned as players turn them.

    Args:
        path: of the file.
        every: seconds from one frame to the next; 0 for every frame.
        reading: says how many pixels a frame may have.

    Yields:
        When a frame is shown, in seconds, and the frame as RGB.

    Raises:
        PictureError: if the file can't be read, is none of the kinds that are read, holds no picture, or PyAV isn't
            installed.

    Example:
        >>> [seconds for seconds, picture in frames_of("cat.mp4", every=2.0)]  # doctest: +SKIP
        [0.0, 2.0, 4.0]
    """
    name = os.fspath(path)
    try:
        with extra("video", "a video"):
            import av
    except UsageError as missing:
        raise PictureError(f"video can't be read: {name} ({missing})", str(missing)) from None
    try:
        with open(name, "rb") as file, av.open(file, options=_PLAIN) as container:
            yield from _chosen(container, every, reading)
    except FileNotFoundError:
        raise PictureError(f"video is missing: {name}", "missing") from None
    except PictureError as error:
        raise PictureError(f"video can't be read: {name} ({error})", error.reason) from None
    except (av.error.FFmpegError, OSError) as error:
        reason = f"damaged, or no kind of video that is read: {getattr(error, 'strerror', None) or error}"
        raise PictureError(f"video can't be read: {name} ({reason})", reason) from error


def _chosen(container: InputContainer, every: float, reading: Reading) -> Iterator[tuple[float, Image.Image]]:
    """The first frame, and each that comes ``every`` seconds or more after the last one's turn."""
    if not container.streams.video:
        raise PictureError("it holds no pictures")
    stream = container.streams.video[0]
    if stream.width * stream.height > reading.max_pixels:
        raise PictureError(f"its frames have {stream.width:,} x {stream.height:,} pixels, more than max_pixels="
                           f"{reading.max_pixels} in all")  # fmt: skip
    stream.thread_type = "AUTO"
    turn: float | None = None
    for frame in container.decode(stream):
        seconds = frame.time or 0.0
        if turn is None or seconds >= turn - 1e-6:
            yield seconds, _upright(frame)
            turn = _next_turn(seconds if turn is None else turn, seconds, every)
    if turn is None:
        raise PictureError("it holds no pictures")


def _next_turn(turn: float, seconds: float, every: float) -> float:
    """The first of the times ``every`` seconds apart that lies behind a frame."""
    return turn + every * (int((seconds - turn) / every + 1e-6) + 1) if every else seconds


def _upright(frame: VideoFrame) -> Image.Image:
    picture: Image.Image = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture

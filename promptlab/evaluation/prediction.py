"""What is said of one picture, or of a video: a row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """A row of :func:`promptlab.predict_stream`.

    Args:
        picture: its path, or its place in what was given.
        name: the answer; None for "none of these", and where there is an error.
        probability: of the most probable class, also where the name is None.
        top: the most probable classes with their probabilities, the most probable first.
        set: the classes of its prediction set; None where none was asked for.
        seconds: when the frame of a video is shown; None for what is no frame.
        frames: of how many frames a video's probabilities are the mean; None for what is no video.
        error: why the picture can't be read.

    Example:
        >>> Prediction("gone.jpg", error="missing").name is None
        True
    """

    picture: str
    name: str | None = None
    probability: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    set: tuple[str, ...] | None = None
    seconds: float | None = None
    frames: int | None = None
    error: str | None = None

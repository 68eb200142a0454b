"""Images to features: decoded in threads, encoded in batches of one shape."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from promptlab.data.amounts import ImageKind, ImageStates
from promptlab.data.items import ImageSource
from promptlab.features.transforms import ImageSettings, TrainingTransform, draw_crop
from promptlab.support.arrays import FloatArray
from promptlab.support.errors import DatasetError
from promptlab.support.machine import reader_threads
from promptlab.support.random_streams import view_stream
from promptlab.support.words import counted

MAX_UNREADABLE = 20


class ImageEncoder(ImageSettings, Protocol):
    """What the bank needs of a backbone; ``FrozenCLIP`` is one."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash over architecture, weights and precision."""
        ...

    @property
    def dim(self) -> int:
        """D, width of a feature."""
        ...

    @property
    def pre_projection_width(self) -> int:
        """V, width of a feature before the projection."""
        ...

    @property
    def states_width(self) -> int:
        """Numbers of a row of its states."""
        ...

    @property
    def device(self) -> torch.device:
        """Where images are encoded."""
        ...

    def encode_images(self, images: Tensor, *, normalised: bool = True, kind: ImageKind = "projected") -> Tensor:
        """(B, 3, H, W) to (B, D), (B, V) before the projection, or rows of states; L2-normalised or not; float32."""
        ...


def feature_width(clip: ImageEncoder, kind: ImageKind) -> int:
    """Numbers of a row: D, V before the projection, or those of states."""
    if isinstance(kind, ImageStates):
        return clip.states_width
    return clip.dim if kind == "projected" else clip.pre_projection_width


@dataclass(frozen=True)
class Job:
    """One distinct image and what is wanted of it.

    Args:
        index: its position in the source.
        content: its content id.
        views: the random views wanted, or ``(0,)`` under an evaluation transform.
    """

    index: int
    content: str
    views: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """The feature of one view of one image: ``feature`` is (D,), L2-normalised, ``norm`` its length before.

    States of the image tower are as they are, with a ``norm`` of 1.
    """

    content: str
    view: int
    feature: FloatArray
    norm: float


class Unreadable:
    """Images that could not be decoded; the others are encoded first, so that one message can name them all."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, error: DatasetError) -> None:
        """Note one; gives up when there are too many to be a few broken files."""
        self.messages.append(str(error))
        if len(self.messages) >= MAX_UNREADABLE:
            self.refuse()

    def refuse(self) -> None:
        """Raise if there are any.

        Raises:
            DatasetError: naming the images.
        """
        if len(self.messages) == 1:
            raise DatasetError(self.messages[0])
        if self.messages:
            at_least = "at least " if len(self.messages) >= MAX_UNREADABLE else ""
            listed = "\n  ".join(self.messages)
            raise DatasetError(f"{at_least}{counted(len(self.messages), 'image')} can't be read:\n  {listed}")


def encode_jobs(
    clip: ImageEncoder,
    source: ImageSource,
    jobs: Iterable[Job],
    transform: Callable[[Image.Image], Tensor] | TrainingTransform,
    unreadable: Unreadable,
    *,
    batch_size: int,
    kind: ImageKind = "projected",
) -> Iterator[list[Row]]:
    """Encode images, decoding them in threads; for an accelerator, the next ones meanwhile.

    Every batch has ``batch_size`` pictures, the last one filled up with blanks: a matrix product of another shape
    may round differently, and a feature must not depend on what it was encoded with.

    Args:
        clip: the backbone.
        source: where the images are.
        jobs: what to encode.
        transform: the evaluation transform, or a training transform to draw views from.
        unreadable: takes note of images that can't be decoded.
        batch_size: pictures per batch.
        kind: which feature of an image.

    Yields:
        The rows of one batch.
    """
    waiting: list[tuple[str, int, Tensor]] = []
    # On a CPU decoding while encoding only makes the two fight for the cores: measured three times slower.
    overlap = clip.device.type != "cpu"
    ahead = 2 * batch_size if overlap else batch_size
    for job, pictures in _pictures(source, jobs, transform, unreadable, ahead=ahead, overlap=overlap):
        waiting.extend((job.content, view, picture) for view, picture in zip(job.views, pictures, strict=True))
        while len(waiting) >= batch_size:
            yield _encode_batch(clip, waiting[:batch_size], batch_size, kind)
            del waiting[:batch_size]
    if waiting:
        yield _encode_batch(clip, waiting, batch_size, kind)


def _encode_batch(
    clip: ImageEncoder, batch: list[tuple[str, int, Tensor]], batch_size: int, kind: ImageKind
) -> list[Row]:
    images = torch.zeros(batch_size, *batch[0][2].shape)
    torch.stack([picture for _, _, picture in batch], out=images[: len(batch)])
    with torch.inference_mode():
        raw = clip.encode_images(images.to(clip.device), normalised=False, kind=kind).float()
        if isinstance(kind, ImageStates):
            norms, kept = [1.0] * len(batch), raw.half() if kind.precision == "fp16" else raw
        else:  # by the whole batch, as the product
            norms, kept = raw.norm(dim=-1)[: len(batch)].cpu().tolist(), F.normalize(raw, dim=-1)
        features = kept[: len(batch)].cpu().numpy()  # (B, D)
    width = feature_width(clip, kind)
    if features.shape != (len(batch), width) or not np.isfinite(features).all():
        raise ValueError(
            f"{clip.name} gave features of shape {features.shape} for {len(batch)} images, or values that are not "
            f"finite; expected finite values of shape {(len(batch), width)}. Try precision=fp32."
        )
    rows = zip(batch, features, norms, strict=True)
    return [Row(content, view, feature, norm) for (content, view, _), feature, norm in rows]


def _pictures(
    source: ImageSource,
    jobs: Iterable[Job],
    transform: Callable[[Image.Image], Tensor] | TrainingTransform,
    unreadable: Unreadable,
    *,
    ahead: int,
    overlap: bool,
) -> Iterator[tuple[Job, list[Tensor]]]:
    """Decode and transform in threads, in order, about ``ahead`` pictures early.

    Without ``overlap`` the threads rest while the caller works on what they made.
    """

    def prepare(job: Job) -> list[Tensor]:
        image = source.open(job.index)
        if not isinstance(transform, TrainingTransform):
            return [transform(image)]
        image = image.convert("RGB")
        streams = (view_stream(job.content, view) for view in job.views)
        crops = (draw_crop(image.height, image.width, transform.scale, stream) for stream in streams)
        return [transform.apply(image, crop) for crop in crops]

    pending: deque[tuple[Job, Future[list[Tensor]]]] = deque()
    early = 0
    with ThreadPoolExecutor(reader_threads()) as pool:
        remaining = iter(jobs)
        job = next(remaining, None)
        try:
            while job is not None or pending:
                refill = overlap or not pending
                while refill and job is not None and early < ahead:
                    pending.append((job, pool.submit(prepare, job)))
                    early += len(job.views)
                    job = next(remaining, None)
                done, future = pending.popleft()
                early -= len(done.views)
                try:
                    yield done, future.result()
                except DatasetError as error:
                    unreadable.add(error)
        finally:
            for _, future in pending:
                future.cancel()

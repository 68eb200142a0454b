"""What a learner says of a user's own pictures."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from promptlab.data.amounts import Count, GreyBits, MaxPixels
from promptlab.evaluation.given import Given, name_of, pictures_given, reading_for
from promptlab.evaluation.predicted import Predicted
from promptlab.evaluation.scored import Asked, require_scorable, scored
from promptlab.learners.base.learner import PromptLearner
from promptlab.support.ranges import checked


@checked(leaving=("images",))
def predict(
    learner: PromptLearner,
    images: Given | Iterable[Given],
    *,
    batch_size: Count = 64,
    exif: bool | None = None,
    max_pixels: MaxPixels | None = None,
    grey_bits: GreyBits | None = None,
) -> Predicted:
    """Class probabilities and names of pictures.

    Pictures are read as those of a dataset, batch after batch: of many no more than a batch is open at a time. An
    option that is None is as it was for the pictures that the learner was fitted to, which saved learners remember.

    Args:
        learner: what scores.
        images: N pictures, or an iterable that gives them: paths, bytes, open files, PIL images, arrays (H, W, 3) or
            tensors (3, H, W) of bytes or of floats from 0 to 1, grey ones as (H, W). One alone may stand for a list of
            one. An array (N, H, W) is N grey pictures, (N, H, W, 3) a batch, as is a tensor (N, 3, H, W). No picture
            at all is fine.
        batch_size: pictures read and scored at a time.
        exif: turn pictures as the orientation in their EXIF says.
        max_pixels: the most pixels that a picture may have.
        grey_bits: how many bits grey values of more than 8 fill.

    Returns:
        (N, C) rows that sum to 1, columns in the order of ``learner.class_names``: a tensor with ``names``, the answer
        for each picture as ``learner.decision`` makes it, ``top(k)``, ``rows()`` and ``logits``.

    Raises:
        DatasetError: if a picture can't be read; it is an ``OSError`` too. Also for an array (3, H, W) outside a list,
            which can be one picture or three grey ones; the message says how to give either.
        TypeError: for what is no picture.
        ValueError: if the learner is transductive, or an option is out of range.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> picture = promptlab.demo_dataset("demo_shapes").test.source.open(0)
        >>> predicted = promptlab.predict(promptlab.ZeroShot(clip, ["circle", "star"]), [picture])
        >>> predicted.shape, len(predicted.names)
        (torch.Size([1, 2]), 1)
    """
    require_scorable(learner)
    reading = reading_for(learner, exif=exif, max_pixels=max_pixels, grey_bits=grey_bits)
    asked = (Asked(name_of(given, place), given, place) for place, given in enumerate(pictures_given(images)))
    names: list[str] = []
    logits = [torch.empty(0, len(learner.class_names))]
    for batch in scored(learner, asked, reading, batch_size):
        for error in filter(None, batch.errors):
            raise error
        names += [one.name for one in batch.asked]
        logits.append(batch.logits)
    return Predicted.of(torch.cat(logits), learner.class_names, names, learner.decision)

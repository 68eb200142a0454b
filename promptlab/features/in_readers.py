"""A backbone's evaluation transform for threads that read files.

torch shares each operation among a team of threads of the caller's own. With those of several readers there are more
threads than processors, and then OpenMP no longer lets any spin between operations, also not those that encode. NumPy
does the same divisions in the reader itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from open_clip.transform import MaybeToTensor
from PIL import Image
from torch import Tensor
from torchvision.transforms import Compose, Normalize, ToTensor


def in_readers(preprocess: Callable[[Image.Image], Tensor]) -> Callable[[Image.Image], Tensor]:
    """The transform, to equal bits, without threads of torch's own.

    Args:
        preprocess: RGB picture to (3, H, W). One that doesn't end as open_clip's does is given back.

    Example:
        >>> preprocess = Compose([ToTensor(), Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))])
        >>> picture = Image.new("RGB", (4, 3), "teal")
        >>> torch.equal(in_readers(preprocess)(picture), preprocess(picture))
        True
    """
    steps = list(preprocess.transforms) if isinstance(preprocess, Compose) else []
    if [type(step) for step in steps[-2:]] not in ([ToTensor, Normalize], [MaybeToTensor, Normalize]):
        return preprocess
    shape = Compose(steps[:-2])
    mean, std = (np.array(value, np.float32).reshape(3, 1, 1) for value in (steps[-1].mean, steps[-1].std))

    def read(picture: Image.Image) -> Tensor:
        pixels = np.asarray(shape(picture).convert("RGB")).transpose(2, 0, 1)  # (3, H, W)
        numbers = np.ascontiguousarray(pixels).astype(np.float32)
        numbers /= np.float32(255)
        numbers -= mean
        numbers /= std
        return torch.from_numpy(numbers)

    return read

"""A user's own model in the shape in which :class:`promptlab.clip.FrozenCLIP` knows models."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn

from promptlab.clip.text.functions import TextFunction

ImageFunction = Callable[[Tensor], Tensor]
"""Preprocessed images (B, 3, H, W) to their features (B, D)."""


class FunctionModel(nn.Module):
    """Two functions, and what is said of the model behind them.

    Args:
        encode_image: preprocessed images (B, 3, H, W) to features (B, D).
        encode_text: N texts to features (N, D).
        preprocess: picture to (3, H, W).
        weights: the modules whose weights make the features, or a word that names them.
        logit_scale: factor on cosine similarities.
        logit_bias: what is added to a logit.
        device: where images go and features are.

    Raises:
        ValueError: for a scale that isn't positive, or an empty word.
    """

    def __init__(
        self,
        encode_image: ImageFunction,
        encode_text: TextFunction,
        preprocess: Callable[[Image.Image], Tensor],
        weights: nn.Module | str,
        *,
        logit_scale: float,
        logit_bias: float,
        device: str | torch.device,
    ) -> None:
        super().__init__()
        if logit_scale <= 0:
            raise ValueError(f"logit_scale={logit_scale}: a factor above 0 is needed")
        if not weights:
            raise ValueError("weights is empty: give the modules, or a word that names their weights")
        self.encode_image = encode_image
        self.encode_text = encode_text
        self.visual = FunctionOfImages(preprocess(Image.new("RGB", (64, 64))).shape[-1])
        self.weights = weights
        self.device = torch.device(device)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(logit_scale)))
        self.logit_bias = nn.Parameter(torch.tensor(logit_bias)) if logit_bias else None

    def extra_repr(self) -> str:
        """The word that names the weights, which makes the fingerprint another one."""
        return f"weights={self.weights!r}" if isinstance(self.weights, str) else ""


class FunctionOfImages(nn.Module):
    """Stands where an image tower would; says the side of its pictures."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = int(image_size)

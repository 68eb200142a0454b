"""The frozen CLIP that every learner adapts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor, nn

from promptlab.clip.fingerprint import fingerprint_of
from promptlab.clip.functions import FunctionModel, ImageFunction
from promptlab.clip.image.side import ImageSide
from promptlab.clip.logits import CosineLogits
from promptlab.clip.precision import Precision as Precision
from promptlab.clip.text.functions import TextFunction
from promptlab.clip.text.memory import DEFAULT_MB
from promptlab.clip.text.side import TextSide
from promptlab.clip.text.tower import TextTower
from promptlab.clip.tokens import Tokens
from promptlab.clip.towers import text_tower
from promptlab.data.amounts import COOP_SCALE as COOP_SCALE
from promptlab.data.amounts import FeatureKind as FeatureKind
from promptlab.data.amounts import ImageStates as ImageStates
from promptlab.data.amounts import StatesPrecision as StatesPrecision


class FrozenCLIP(TextSide, ImageSide, CosineLogits):
    """An open_clip model that never changes: eval mode, no gradients, the same bytes before and after a fit.

    It is not an ``nn.Module``, so a learner that holds it does not register it: checkpoints, optimisers, precision
    plugins and device moves of Lightning see learned vectors alone.

    Args:
        model: an open_clip ``CLIP``, ``CustomTextCLIP`` or ``CoCa``; it is frozen in place.
        tokenizer: the model's tokenizer.
        preprocess: the model's evaluation transform, PIL image to (3, H, W); None where no images are read.
        name: shown in messages and Results.
        text_memory_mb: what the text tower may keep for the backward pass, in MiB.
        precision: what the weights were converted to; part of the fingerprint.
        source: arguments of :func:`load_clip` that name the weights on any machine; None if nothing does.

    Raises:
        UnsupportedBackboneError: if the text tower can't take prompt vectors.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> texts = clip.encode_texts(["a photo of a red circle.", "a photo of a blue star."])
        >>> texts.shape  # (C, D), L2-normalised
        torch.Size([2, 128])
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        preprocess: Callable[[Image.Image], Tensor] | None,
        name: str,
        *,
        text_memory_mb: int = DEFAULT_MB,
        precision: Precision = "fp32",
        source: Mapping[str, Any] | None = None,
    ) -> None:
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.name = name
        self.precision = precision
        self.source = source
        self.tokens = Tokens(tokenizer)
        self.text_tower: TextTower = text_tower(model, self.tokens, text_memory_mb, name)

    @classmethod
    def from_functions(
        cls,
        encode_image: ImageFunction,
        encode_text: TextFunction,
        *,
        preprocess: Callable[[Image.Image], Tensor],
        name: str,
        weights: nn.Module | str,
        logit_scale: float = 100.0,
        logit_bias: float = 0.0,
        device: str | torch.device = "cpu",
    ) -> Self:
        """A model of your own, of which nothing is known but what it makes of images and texts.

        Zero-shot, adapters and probes run on it. Learners that put vectors among tokens refuse it with the reason.

        Args:
            encode_image: preprocessed images (B, 3, H, W) on the device to features (B, D), of any length.
            encode_text: a list of N texts to features (N, D), of any length.
            preprocess: picture to (3, H, W); all pictures to one size.
            name: shown in messages and Results.
            weights: the modules whose weights make the features, or a word that names them, such as a file's hash:
                features, fits and Results are told apart by it.
            logit_scale: factor on cosine similarities that the model was trained with.
            logit_bias: what is added to a logit, where it was trained so.
            device: where images go.

        Raises:
            ValueError: for a scale that isn't positive, or without weights.

        Example:
            >>> import promptlab, torch
            >>> clip = promptlab.FrozenCLIP.from_functions(
            ...     lambda images: images.flatten(1)[:, :8],
            ...     lambda texts: torch.eye(8)[[len(text) % 8 for text in texts]],
            ...     preprocess=lambda picture: torch.zeros(3, 16, 16), name="mine", weights="none",
            ... )
            >>> promptlab.ZeroShot(clip, ["red star", "boat"])(torch.eye(8)[:1]).shape
            torch.Size([1, 2])
        """
        model = FunctionModel(
            encode_image,
            encode_text,
            preprocess,
            weights,
            logit_scale=logit_scale,
            logit_bias=logit_bias,
            device=device,
        )
        return cls(model, None, preprocess, name)

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode whatever ``mode`` is."""
        self.model.eval()
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.text_tower.device

    @cached_property
    def logit_scale(self) -> float:
        """Factor on cosine similarities: exp of the pretrained temperature parameter (100 for OpenAI's)."""
        return float(self.model.logit_scale.detach().float().exp())

    @cached_property
    def logit_bias(self) -> float:
        """What the model adds to a logit: SigLIP's bias; 0 for models without one."""
        bias = getattr(self.model, "logit_bias", None)
        return 0.0 if bias is None else float(bias.detach().float())

    @cached_property
    def fingerprint(self) -> str:
        """Hash (16 hex digits) over architecture, weights and precision."""
        return fingerprint_of(self.model, self.precision)

    def __repr__(self) -> str:
        return f"FrozenCLIP({self.name!r}, {self.precision}, D={self.dim}, device={self.device})"

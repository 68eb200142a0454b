"""The frozen CLIP that every learner adapts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.adapters import Adapters
from promptlab.clip.functions import FunctionModel, ImageFunction
from promptlab.clip.image_tower import ImagePrompts, ImageTower
from promptlab.clip.inserted import Inserted
from promptlab.clip.logits import CosineLogits
from promptlab.clip.regions import regions_of
from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.functions import FunctionTower, TextFunction
from promptlab.clip.text.memory import DEFAULT_MB
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.shared import MANY, shared_beginnings
from promptlab.clip.text.tower import PrefixStates, TextTower
from promptlab.clip.tokens import Tokens
from promptlab.clip.towers import text_tower
from promptlab.data.amounts import FeatureKind as FeatureKind
from promptlab.data.amounts import ImageKind
from promptlab.data.amounts import ImageStates as ImageStates
from promptlab.data.amounts import StatesPrecision as StatesPrecision

Precision = Literal["fp32", "bf16", "fp16"]
_IMAGE_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class FrozenCLIP(CosineLogits):
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

    @property
    def width(self) -> int:
        """E, width of a token embedding and so of a context vector."""
        return self.text_tower.width

    @property
    def context_length(self) -> int:
        """Longest prompt in tokens, SOS and EOT included."""
        return self.text_tower.context_length

    @property
    def text_layers(self) -> int:
        """Transformer layers of the text tower."""
        return self.text_tower.layers

    @cached_property
    def image_tower(self) -> ImageTower:
        """The image tower that takes prompts.

        Raises:
            UnsupportedBackboneError: if the image tower can't; here and in the two properties below.
        """
        return ImageTower(self.model, self.name)

    @property
    def vision_width(self) -> int:
        """V, width of a token of the image tower and so of an image prompt."""
        return self.image_tower.width

    @property
    def vision_layers(self) -> int:
        """Transformer layers of the image tower."""
        return self.image_tower.layers

    @property
    def text_blocks(self) -> Sequence[Any]:
        """The modules of the text tower's layers, frozen."""
        return self.text_tower.blocks

    @property
    def vision_blocks(self) -> Sequence[Any]:
        """The modules of the image tower's layers, frozen.

        Raises:
            UnsupportedBackboneError: if the image tower isn't a vision transformer.
        """
        return self.image_tower.blocks

    @property
    def dim(self) -> int:
        """D, width of the joint space."""
        return self.text_tower.dim

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
        heads = [module.num_heads for module in self.model.modules() if hasattr(module, "num_heads")]  # not in repr
        digest = hashlib.sha256(f"{self.precision}\n{_architecture(self.model)}\n{heads}\n".encode())
        for name, tensor in _sorted_state(self.model):
            data = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {tuple(data.shape)} {data.dtype}\n".encode())
            digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    @property
    def image_size(self) -> int:
        """Side of the square pictures that the image tower reads, in pixels."""
        size = self.model.visual.image_size
        return int(size[0] if isinstance(size, Sequence) else size)

    @property
    def image_mean(self) -> tuple[float, ...]:
        """Mean that pixels in [0, 1] are normalised with, per channel."""
        return tuple(self._normalize.mean)

    @property
    def image_std(self) -> tuple[float, ...]:
        """Standard deviation that pixels in [0, 1] are normalised with, per channel."""
        return tuple(self._normalize.std)

    @property
    def sot_token(self) -> int:
        """Id of the start-of-text token (SOS), the first of a text that has one."""
        return self.tokens.opening[0]

    @property
    def eot_token(self) -> int:
        """Id of the end-of-text token (EOT), the last of a text that has one."""
        return self.tokens.closing[-1]

    def warn_of_unknown_words(self, texts: Sequence[str]) -> None:
        """Let a tokenizer with a small vocabulary say which words of these texts mean nothing to it."""
        if hasattr(self.tokenizer, "warn_of_unknown_words"):
            self.tokenizer.warn_of_unknown_words(texts)

    def encode_words(self, text: str) -> list[int]:
        """Token ids of a text without SOS and EOT, uncut."""
        return self.tokens.words(text)

    def embed_opening(self) -> Tensor:
        """Token embeddings (L, E) of what every text begins with: SOS, for most; none for some."""
        return self.text_tower.embed(self.tokens.opening)

    def embed_words(self, text: str) -> Tensor:
        """Token embeddings (L, E) of a text without SOS and EOT, fp32, on the backbone's device."""
        return self.text_tower.embed(self.encode_words(text))

    @property
    def image_projection(self) -> Tensor:
        """(V, D) fp32, a copy: features before the projection times this are features.

        Raises:
            UnsupportedBackboneError: if the image tower doesn't end in one, as a vision transformer does; here, for
                :attr:`pre_projection_width` and in :meth:`encode_images`.
        """
        projection: Tensor = self._projecting.visual.proj
        return projection.detach().float().clone()

    @property
    def pre_projection_width(self) -> int:
        """V, width of an image feature before the projection."""
        return self._projecting.width

    @cached_property
    def _projecting(self) -> ImageTower:
        return ImageTower.with_projection(self.model, self.name)

    def encode_images(
        self,
        images: Tensor,
        prompts: ImagePrompts | None = None,
        *,
        normalised: bool = True,
        kind: ImageKind = "projected",
        adapters: Adapters | None = None,
    ) -> Tensor:
        """Features of preprocessed images.

        Args:
            images: (B, 3, H, W), on any device.
            prompts: vectors among the tokens, layer (0-based) to (M, V): those of layer 0 are appended behind the patch
                tokens, those of a later layer replace them. Gradients reach them through the frozen tower.
            normalised: False for features of the length that the tower gives them.
            kind: ``pre_projection`` for what :attr:`image_projection` makes features of; for states of the tower the
                rows that :meth:`states_of` reads, as they are.
            adapters: layer (0-based) to what its block gets added.

        Returns:
            (B, D), (B, V) before the projection, or (B, :attr:`states_width`) of states, fp32.

        Raises:
            UnsupportedBackboneError: with prompts or adapters, if the image tower can't take any; before the
                projection, if it has none of a vision transformer's kind.
            ValueError: for prompts without layer 0, for prompts and adapters of a layer that isn't there, or for
                prompts of other shapes.
        """
        images = self._seen(images)
        if isinstance(kind, ImageStates):
            states = self.image_states(images, kind.layer)
            plain = self.encode_image_states(states, kind.layer, normalised=False)
            return torch.cat([states.float().flatten(1), plain], dim=1)
        if kind == "pre_projection":
            features = self._projecting.before_projection(images, prompts, adapters)
        elif prompts or adapters:
            features = self.image_tower.encode(images, prompts, adapters)
        else:
            features = self.model.encode_image(images)
        return F.normalize(features.float(), dim=-1) if normalised else features.float()

    def encode_image_tokens(
        self, images: Tensor, inserted: Inserted, *, adapters: Adapters | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features of images with vectors behind the class token, and what these became.

        Args:
            images: (B, 3, H, W), on any device, or their :meth:`image_states` before the first layer of the vectors.
            inserted: the vectors.
            adapters: as of :meth:`encode_images`.

        Returns:
            Features (B, D), not normalised, and tokens (B, K, V) behind the last layer norm, not projected; both fp32.

        Raises:
            UnsupportedBackboneError: if the image tower can't take any.
            ValueError: if the vectors don't fit it.
        """
        tower = self.image_tower
        pooled, tokens = tower.tokens(self._seen(images), inserted, adapters)
        return tower.project(pooled).float(), tokens.float()

    def encode_regions(self, images: Tensor) -> Tensor:
        """Features of whole images and of their R regions.

        Args:
            images: (B, 3, H, W), on any device.

        Returns:
            (B, 1 + R, D) fp32, not normalised; the first is the image's own.

        Raises:
            UnsupportedBackboneError: if the image tower doesn't tell regions; here and where it is asked ahead.
        """
        return self.tell_regions(self._seen(images)).float()

    @cached_property
    def tell_regions(self) -> Callable[[Tensor], Tensor]:
        """The image tower as :meth:`encode_regions` runs it."""
        return regions_of(self.model, self.name)

    @torch.no_grad()
    def image_states(self, images: Tensor, layer: int) -> Tensor:
        """The tokens (B, L, V) of images (B, 3, H, W) that stand before a layer (0-based), for what begins there.

        Raises:
            UnsupportedBackboneError: if the image tower isn't a vision transformer; here and in the next three.
        """
        return self.image_tower.states(self._seen(images), layer)

    @torch.no_grad()
    def encode_image_states(self, states: Tensor, layer: int, *, normalised: bool = True) -> Tensor:
        """The plain features (B, D) of images by their states before a layer."""
        features = self.image_tower.finish(self._seen(states), layer).float()
        return F.normalize(features, dim=-1) if normalised else features

    @property
    def states_width(self) -> int:
        """Numbers of a row of states: L * V of the tokens, and D of the plain feature."""
        return self.image_tower.tokens_of_image * self.vision_width + self.dim

    def states_of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens (B, L, V) and the plain features (B, D), not normalised, of rows of states."""
        tokens, features = torch.split(rows, [rows.shape[1] - self.dim, self.dim], dim=1)
        return tokens.reshape(len(rows), -1, self.vision_width), features

    def _seen(self, images: Tensor) -> Tensor:
        self.model.eval()  # somebody may have called .train() on the model itself
        return images.to(self.device, _IMAGE_DTYPE[self.precision])

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str], *, normalised: bool = True) -> Tensor:
        """Features of whole texts. Of very many, a causal tower runs what they begin with alike once.

        Args:
            texts: N texts.
            normalised: False for features of the length that the tower gives them.

        Returns:
            (N, D) fp32.

        Raises:
            ValueError: if a text is longer than the context length; nothing is cut silently.
        """
        if isinstance(self.text_tower, FunctionTower):
            features = self.text_tower.encode_texts(texts)
            return F.normalize(features, dim=-1) if normalised else features
        if len(texts) >= MANY and isinstance(self.text_tower, CausalTower) and self.tokens.opening:
            return self.text_tower.encode(*self._with_beginnings(texts), normalised=normalised)
        tails = self.text_tokens(texts)
        plan = PairPlan.zip(self._opening_states.lengths, tails.lengths)
        return self.text_tower.encode(self._opening_states, tails, plan, normalised=normalised)

    def text_tokens(self, texts: Sequence[str]) -> Ragged:
        """Token embeddings of whole texts behind their opening (SOS), EOT included.

        Raises:
            ValueError: if a text is longer than the context length.
        """
        first = len(self.tokens.opening)
        return Ragged.pack([self.text_tower.embed(tokens[first:]) for tokens in self._ids(texts)])

    def _with_beginnings(self, texts: Sequence[str]) -> tuple[Ragged, Ragged, PairPlan]:
        """What many texts begin with, and how each goes on."""
        ids = self._ids(texts)
        beginnings, of_text = shared_beginnings(ids)
        prefixes = self._embedded(beginnings)
        rests = [tokens[len(beginnings[own]) :] for tokens, own in zip(ids, of_text, strict=True)]
        tails = self._embedded(rests)
        pairs = np.stack([of_text, np.arange(len(ids))], axis=1)
        return prefixes, tails, PairPlan(pairs, prefixes.lengths, tails.lengths)

    def _embedded(self, ids: Sequence[Sequence[int]]) -> Ragged:
        flat = [token for tokens in ids for token in tokens]
        return Ragged(self.text_tower.embed(flat), tuple(len(tokens) for tokens in ids))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, SOS and EOT included, none too long."""
        self.warn_of_unknown_words(texts)
        ids = [self.tokens.of(text) for text in texts]
        for text, tokens in zip(texts, ids, strict=True):
            if len(tokens) > self.context_length:
                raise ValueError(f"{text!r} has {len(tokens)} tokens, more than the {self.context_length} allowed")
        return ids

    @cached_property
    def _opening_states(self) -> PrefixStates:
        with torch.no_grad():
            return self.text_tower.prefix_states(Ragged.pack([self.embed_opening()]))

    @property
    def _normalize(self) -> Any:
        if self.preprocess is None:
            raise ValueError(f"{self.name} was wrapped without preprocess: pass open_clip's evaluation transform")
        for step in getattr(self.preprocess, "transforms", ()):
            if hasattr(step, "mean") and hasattr(step, "std"):
                return step
        raise ValueError(f"the preprocess of {self.name} has no Normalize step to read mean and std from")

    def __repr__(self) -> str:
        return f"FrozenCLIP({self.name!r}, {self.precision}, D={self.dim}, device={self.device})"


def _sorted_state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from sorted(model.state_dict().items())


def _architecture(model: nn.Module) -> str:
    """What the model prints; older torch leaves a normalisation's bias out of it, and ids must not differ."""
    return re.sub(r"(LayerNorm\w*\(.*elementwise_affine=True)\)", r"\1, bias=True)", str(model))

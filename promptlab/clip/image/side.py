"""The image side of the frozen CLIP: what its image tower reads and gives, plain and with learned vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.adapters import Adapters
from promptlab.clip.image.frozen import FrozenPass
from promptlab.clip.image.regions import regions_of
from promptlab.clip.image.tower import ImagePrompts, ImageTower
from promptlab.clip.inserted import Inserted
from promptlab.clip.precision import DTYPE, Precision
from promptlab.data.amounts import ImageKind, ImageStates


class ImageSide:
    """What :class:`promptlab.FrozenCLIP` says and computes of images, by its model's image tower."""

    model: Any
    name: str
    preprocess: Callable[[Image.Image], Tensor] | None
    precision: Precision

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, width of the joint space."""

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
    def vision_blocks(self) -> Sequence[Any]:
        """The modules of the image tower's layers, frozen.

        Raises:
            UnsupportedBackboneError: if the image tower isn't a vision transformer.
        """
        return self.image_tower.blocks

    @property
    def vision_norms(self) -> Mapping[str, Any]:
        """The layer norms in front of the image tower's blocks, ``ln_pre``, and behind them, ``ln_post``.

        Raises:
            UnsupportedBackboneError: if the image tower isn't a vision transformer.
        """
        return {"ln_pre": self.image_tower.visual.ln_pre, "ln_post": self.image_tower.visual.ln_post}

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

        Under ``torch.inference_mode`` a plain vision transformer runs by :class:`FrozenPass` on a CPU: faster, equal to
        rounding, and bit for bit the same whatever images are beside it. Otherwise the model's own method runs.

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
        plain = None if prompts or adapters else self._frozen_pass(images)
        if isinstance(kind, ImageStates):
            states = self.image_states(images, kind.layer)
            features = self.encode_image_states(states, kind.layer, normalised=False)
            return torch.cat([states.float().flatten(1), features], dim=1)
        if kind == "pre_projection":
            tower = self._projecting  # refuses a tower without one
            features = plain.before_projection(images) if plain else tower.before_projection(images, prompts, adapters)
        elif plain:
            features = plain.encode(images)
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

    def _frozen_pass(self, images: Tensor) -> FrozenPass | None:
        """What encodes images whose features are kept or scored; None where the model's own has to.

        In a gradient step it has to: blanks that fill a small batch would cost more there than they are worth.
        """
        alone = torch.is_inference_mode_enabled() and not torch.is_autocast_enabled("cpu")
        return self._plain_pass if alone and images.device.type == "cpu" else None

    @cached_property
    def _plain_pass(self) -> FrozenPass | None:
        return FrozenPass.of(self.model, self.name)

    def _seen(self, images: Tensor) -> Tensor:
        self.model.eval()  # somebody may have called .train() on the model itself
        return images.to(self.device, DTYPE[self.precision])

    @property
    def _normalize(self) -> Any:
        if self.preprocess is None:
            raise ValueError(f"{self.name} was wrapped without preprocess: pass open_clip's evaluation transform")
        for step in getattr(self.preprocess, "transforms", ()):
            if hasattr(step, "mean") and hasattr(step, "std"):
                return step
        raise ValueError(f"the preprocess of {self.name} has no Normalize step to read mean and std from")

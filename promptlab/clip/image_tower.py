"""The image tower with prompt vectors among its tokens, as MaPLe has them.

Prompts of layer 0 join the sequence behind the patch tokens, after the positional embedding and before the first layer
norm, without positions of their own; before a later layer the last M tokens can be replaced by other vectors. All else
is what open_clip's ``VisionTransformer`` computes, with its own modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from open_clip.transformer import Transformer, VisionTransformer
from torch import Tensor, nn

from promptlab.clip.guards import UnsupportedBackboneError

ImagePrompts = Mapping[int, Tensor]
"""Layer (0-based) to (M, V) vectors, V the tower's width; layer 0 is among them, and M is the same in all."""

_INSTEAD = "Use a CLIP with a plain vision transformer, such as ViT-B-16-quickgelu with openai, or demo"


class ImageTower:
    """A frozen vision transformer of open_clip that takes prompt vectors.

    Args:
        model: an open_clip model with its image tower under ``visual``.
        name: what messages call the model.
        unable: what messages say it can't do.

    Raises:
        UnsupportedBackboneError: if prompts can't join the tower's tokens; with every reason, and what to use instead.
    """

    def __init__(self, model: nn.Module, name: str, unable: str = "can't take image prompts") -> None:
        self.visual: Any = model.visual
        reasons = list(_reasons(self.visual))
        if reasons:
            raise UnsupportedBackboneError(f"{name} {unable}: {'; '.join(reasons)}. {_INSTEAD}.")

    @classmethod
    def with_projection(cls, model: nn.Module, name: str) -> ImageTower:
        """A tower that ends in a projection.

        Raises:
            UnsupportedBackboneError: if it ends otherwise.
        """
        tower = cls(model, name, "has no image feature before a projection")
        if tower.visual.proj is None:
            raise UnsupportedBackboneError(f"{name} has no image feature before a projection: its tower has none")
        return tower

    @property
    def width(self) -> int:
        """V, width of a token."""
        return int(self.visual.transformer.width)

    @property
    def layers(self) -> int:
        """Transformer layers."""
        return len(self.visual.transformer.resblocks)

    def encode(self, images: Tensor, prompts: ImagePrompts) -> Tensor:
        """Features of images with prompts among their tokens.

        Args:
            images: (B, 3, H, W), preprocessed, in the tower's dtype and on its device.
            prompts: see :data:`ImagePrompts`; cast to the dtype of the tokens.

        Returns:
            (B, D), not normalised.

        Raises:
            ValueError: for prompts without layer 0, of a layer that isn't there, or of other shapes.
        """
        self._check(prompts)
        x = self._embed(images)  # (B, 1 + patches, V)
        context = _per_image(prompts[0], x)
        x = self.visual.ln_pre(torch.cat([x, context], dim=1))  # (B, 1 + patches + M, V)
        for i, block in enumerate(self.visual.transformer.resblocks):
            if i and i in prompts:
                x = torch.cat([x[:, : -context.shape[1]], _per_image(prompts[i], x)], dim=1)
            x = block(x)
        pooled: Tensor = self.visual.ln_post(x[:, 0])  # (B, V), of the class token
        return pooled if self.visual.proj is None else pooled @ self.visual.proj

    def before_projection(self, images: Tensor) -> Tensor:
        """The class token (B, V) of images (B, 3, H, W) behind the last layer norm, before the projection."""
        x = self.visual.ln_pre(self._embed(images))
        for block in self.visual.transformer.resblocks:
            x = block(x)
        pooled: Tensor = self.visual.ln_post(x[:, 0])
        return pooled

    def _embed(self, images: Tensor) -> Tensor:
        """Class token and patch tokens with their positions."""
        patches = self.visual.conv1(images).flatten(2).transpose(1, 2)  # (B, patches, V)
        first = self.visual.class_embedding.to(patches.dtype).expand(len(images), 1, -1)
        positions: Tensor = self.visual.positional_embedding.to(patches.dtype)
        return torch.cat([first, patches], dim=1) + positions

    def _check(self, prompts: ImagePrompts) -> None:
        if 0 not in prompts:
            raise ValueError(
                f"image prompts of layers {sorted(prompts)}: layer 0, where they join the tokens, is missing"
            )
        beyond = [layer for layer in sorted(prompts) if not 0 <= layer < self.layers]
        if beyond:
            raise ValueError(f"image prompts of layer {beyond[0]}: the tower has layers 0 to {self.layers - 1}")
        expected = (prompts[0].shape[0], self.width)
        for layer, vectors in prompts.items():
            if not expected[0] or tuple(vectors.shape) != expected:
                raise ValueError(
                    f"image prompts of layer {layer} have shape {tuple(vectors.shape)}: (M, {self.width}) is needed, "
                    "with one M >= 1 for all layers"
                )


def _per_image(vectors: Tensor, tokens: Tensor) -> Tensor:
    """The same vectors (M, V) for each of the B images: (B, M, V)."""
    return vectors.to(tokens.dtype).expand(len(tokens), -1, -1)


def _reasons(visual: Any) -> Iterator[str]:
    """Why :meth:`ImageTower.encode` wouldn't compute what the model's own forward does."""
    if type(visual) is not VisionTransformer:
        yield f"its image tower is a {type(visual).__name__}, not open_clip's VisionTransformer"
        return
    if visual.attn_pool is not None:
        yield "its image feature is pooled by attention over all tokens"
    elif visual.pool_type != "tok":
        yield f"its image feature is pooled by {visual.pool_type!r}, not read at the class token"
    if type(visual.transformer) is not Transformer or not visual.transformer.batch_first:
        yield "its image transformer isn't open_clip's batch-first Transformer"

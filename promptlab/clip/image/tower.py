"""The image tower with prompt vectors among its tokens, as MaPLe has them.

Prompts of layer 0 join the sequence behind the patch tokens, after the positional embedding and before the first layer
norm, without positions of their own; before a later layer the last M tokens can be replaced by other vectors. Others
can join the sequence behind the class token from a later layer on, and blocks can be given adapters. All else is what
open_clip's ``VisionTransformer`` computes, with its own modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock, Transformer, VisionTransformer
from torch import Tensor, nn

from promptlab.clip.adapters import UNCHANGED, Adapters, adapted, at_end, require_layers
from promptlab.clip.guards import UnsupportedBackboneError
from promptlab.clip.inserted import Inserted

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
        self.name = name
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
    def blocks(self) -> Sequence[Any]:
        """The modules of its layers, frozen."""
        return list(self.visual.transformer.resblocks)

    @property
    def layers(self) -> int:
        """Transformer layers."""
        return len(self.visual.transformer.resblocks)

    def encode(self, images: Tensor, prompts: ImagePrompts | None = None, adapters: Adapters | None = None) -> Tensor:
        """Features of images with prompts among their tokens, or adapters in the blocks.

        Args:
            images: (B, 3, H, W), preprocessed, in the tower's dtype and on its device.
            prompts: see :data:`ImagePrompts`; cast to the dtype of the tokens.
            adapters: what blocks get added.

        Returns:
            (B, D), not normalised.

        Raises:
            UnsupportedBackboneError: with adapters, if a block isn't CLIP's own.
            ValueError: for prompts without layer 0, of a layer that isn't there, or of other shapes.
        """
        return self.project(self.before_projection(images, prompts, adapters))

    def before_projection(
        self, images: Tensor, prompts: ImagePrompts | None = None, adapters: Adapters | None = None
    ) -> Tensor:
        """The class token (B, V) behind the last layer norm; arguments and errors are those of :meth:`encode`."""
        if prompts:
            self._check(prompts)
        return self._behind(self._run(images, prompts or {}, None, adapters or {})[:, 0], adapters or {})

    def tokens(self, images: Tensor, inserted: Inserted, adapters: Adapters | None = None) -> tuple[Tensor, Tensor]:
        """The class token (B, V) and the tokens (B, K, V) that were inserted behind it, after the last layer norm.

        Args:
            images: as of :meth:`encode`, or their states before the first layer of what is inserted.
            inserted: what joins the sequence behind the class token.
            adapters: what blocks get added.

        Raises:
            UnsupportedBackboneError: with adapters, if a block isn't CLIP's own.
            ValueError: if the vectors don't fit the tower.
        """
        inserted.require(self.layers, self.width, "image")
        x = self._run(images, {}, inserted, adapters or {})[:, : 1 + inserted.count]
        x = self._behind(x, adapters or {})
        return x[:, 0], x[:, 1:]

    def all_tokens(self, images: Tensor) -> Tensor:
        """The class token and the patches' (B, 1 + R, V) behind the last layer norm."""
        tokens: Tensor = self.visual.ln_post(self._run(images, {}, None, {}))
        return tokens

    @property
    def tokens_of_image(self) -> int:
        """The class token and a token for each patch."""
        return len(self.visual.positional_embedding)

    def states(self, images: Tensor, layer: int) -> Tensor:
        """The tokens (B, L, V) of images that stand before a layer, nothing among them."""
        x: Tensor = self.visual.ln_pre(self._embed(images))
        for block in self.visual.transformer.resblocks[:layer]:
            x = block(x)
        return x

    def finish(self, states: Tensor, layer: int) -> Tensor:
        """Features (B, D) of what :meth:`states` gave, not normalised."""
        for block in self.visual.transformer.resblocks[layer:]:
            states = block(states)
        return self.project(self.visual.ln_post(states[:, 0]))

    def project(self, pooled: Tensor) -> Tensor:
        """Features (..., D) of what stands before the projection (..., V)."""
        return pooled if self.visual.proj is None else pooled @ self.visual.proj

    def _run(self, images: Tensor, prompts: ImagePrompts, inserted: Inserted | None, adapters: Adapters) -> Tensor:
        """Tokens (B, L, V) behind the last block."""
        self._require_adaptable(adapters)
        M = len(prompts[0]) if prompts else 0
        if inserted is not None and images.ndim == 3:
            start, x = inserted.first, images
        else:
            start, x = 0, self._embed(images)  # (B, 1 + patches, V)
            if prompts:
                x = torch.cat([x, _per_image(prompts[0], x)], dim=1)  # (B, 1 + patches + M, V)
            x = at_end(self.visual.ln_pre, adapters.get(0, UNCHANGED).ln_pre, x)
        for i, block in enumerate(self.blocks[start:], start):
            if i and i in prompts:
                x = torch.cat([x[:, :-M], _per_image(prompts[i], x)], dim=1)
            if inserted is not None and i in inserted.vectors:
                x = _with_inserted(x, inserted, i)
            x = adapted(block, x, adapters[i]) if i in adapters else block(x)
        return x

    def _behind(self, x: Tensor, adapters: Adapters) -> Tensor:
        """Tokens behind the last layer norm."""
        return at_end(self.visual.ln_post, adapters.get(self.layers - 1, UNCHANGED).ln_post, x)

    def _require_adaptable(self, adapters: Adapters) -> None:
        require_layers(adapters, self.layers, "image")
        odd = [type(self.visual.transformer.resblocks[i]) for i in adapters]
        odd = [kind for kind in odd if kind is not ResidualAttentionBlock]
        if odd:
            raise UnsupportedBackboneError(
                f"{self.name} can't take adapters in its image tower: it has {odd[0].__name__}s, not CLIP's "
                f"ResidualAttentionBlocks. {_INSTEAD}."
            )

    def _embed(self, images: Tensor) -> Tensor:
        """Class token and patch tokens with their positions."""
        patches = self.visual.conv1(images).flatten(2).transpose(1, 2)  # (B, patches, V)
        first = self.visual.class_embedding.to(patches.dtype).expand(images.shape[0], 1, -1)
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
    return vectors.to(tokens.dtype).expand(tokens.shape[0], -1, -1)


def _with_inserted(x: Tensor, inserted: Inserted, layer: int) -> Tensor:
    """Tokens (B, L, V) with a layer's vectors behind the first."""
    own = _per_image(inserted.vectors[layer], x)  # (B, K, V)
    if layer == inserted.first:
        return torch.cat([x[:, :1], own, x[:, 1:]], dim=1)
    behind = 1 + inserted.count
    if inserted.share != 1:
        own = inserted.share * own + (1 - inserted.share) * x[:, 1:behind]
    return torch.cat([x[:, :1], own, x[:, behind:]], dim=1)


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

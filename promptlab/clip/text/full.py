"""open_clip's own text transformer without a causal mask, or read elsewhere than at the end-of-text token.

SigLIP and SigLIP 2 (padding takes part, the last place is read), CLIPA, MobileCLIP-S and -L, CoCa (a class token
appended behind the padding, its mask as it was trained), and whatever else open_clip's ``TextTransformer`` can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from promptlab.clip.adapters import adapted, at_end, require_layers
from promptlab.clip.guards import EOT_POOLING
from promptlab.clip.text.edits import Edits
from promptlab.clip.text.whole import WholeTower
from promptlab.clip.tokens import Tokens


class FullTower(WholeTower):
    """A frozen text transformer of open_clip that runs over the whole context, filled as it was trained.

    CoCa's mask hides padding, which is the token of ``!``; a text's own exclamation marks stay visible here.

    Args:
        model: an open_clip model with the parts of the text tower on it or under ``text``.
        tokens: its tokenizer.
        memory_mb: what the tower may keep for the backward pass, in MiB.
        name: what messages call the model.

    Raises:
        UnsupportedBackboneError: if its feature is read nowhere.
    """

    def __init__(self, model: nn.Module, tokens: Tokens, memory_mb: int, name: str) -> None:
        text: Any = getattr(model, "text", model)
        self.text = text
        self.class_token: Tensor | None = getattr(text, "cls_emb", None)
        places = len(text.positional_embedding) - (self.class_token is not None)
        super().__init__(text.token_embedding, tokens, places - tokens.reserved, memory_mb, name)
        self.pooling: str = "last" if self.class_token is not None else _pooling(text)
        if self.pooling == "none":
            self.refuse("prompts", "its features are those of all tokens (pool_type 'none')")

    @property
    def heads(self) -> int:
        """Attention heads of a layer."""
        attention: Any = self.text.transformer.resblocks[0].attn
        return int(attention.num_heads)

    @property
    def depth(self) -> int:
        """Layers."""
        return len(self.text.transformer.resblocks)

    @property
    def layers(self) -> int:
        """Layers that contexts may name."""
        return self.depth

    @property
    def blocks(self) -> Sequence[Any]:
        """The modules of its layers, frozen."""
        return list(self.text.transformer.resblocks)

    @property
    def dtype(self) -> torch.dtype:
        """What the matrix products run in."""
        dtype: torch.dtype = self.text.transformer.get_cast_dtype()
        return dtype

    @property
    def dim(self) -> int:
        """D, width of a text feature."""
        projection = self.text.text_projection
        if projection is None:
            return self.width
        return int(projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1])

    def _length(self, longest: int) -> int:
        return self.context_length + self.tokens.reserved

    def _require(self, edits: Edits) -> None:
        require_layers(edits.adapters, self.layers, "text")
        odd = [type(block).__name__ for block in self.blocks if type(block) is not ResidualAttentionBlock]
        if (edits.deep or edits.adapters) and (odd or not self.text.transformer.batch_first):
            self.refuse("prompts of deeper layers or adapters", f"it has {', '.join(odd[:1])}s, not CLIP's blocks")

    def _features(self, prompts: Tensor, lengths: Tensor, prefixes: Tensor, edits: Edits) -> Tensor:
        x = prompts.to(self.dtype)
        if self.class_token is not None:
            x = torch.cat([x, self.class_token.to(x.dtype).expand(len(x), 1, -1)], dim=1)
        x = x + self.text.positional_embedding[: x.shape[1]].to(x.dtype)
        mask = self._mask(lengths, x)
        if edits.deep or edits.adapters:
            x = self._edited(x, mask, prefixes, edits)
        else:
            x = self.text.transformer(x, attn_mask=mask)
        x = at_end(self.text.ln_final, edits.of_block(self.layers - 1).ln_post, self._pooled(x, lengths))
        projection = self.text.text_projection
        if projection is not None:
            x = projection(x) if isinstance(projection, nn.Module) else x @ projection
        features: Tensor = x.float()
        return features

    def _edited(self, x: Tensor, mask: Tensor | None, prefixes: Tensor, edits: Edits) -> Tensor:
        """Through the blocks one by one, with other contexts at some, and what is added to some."""
        first = len(self.tokens.opening)
        for i, block in enumerate(self.blocks):
            if i in edits.deep:
                vectors = edits.deep[i].to(x.dtype)
                own = vectors[prefixes] if len(vectors) > 1 else vectors.expand(len(x), -1, -1)  # (N, M, E)
                behind = first + own.shape[1]
                if edits.share != 1:
                    own = edits.share * own + (1 - edits.share) * x[:, first:behind]
                x = torch.cat([x[:, :first], own, x[:, behind:]], dim=1)
            x = adapted(block, x, edits.adapters[i], mask) if i in edits.adapters else block(x, attn_mask=mask)
        return x

    def _pooled(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The token (N, E) that is read."""
        if self.pooling in EOT_POOLING:
            return x[torch.arange(len(x), device=x.device), lengths - 1]
        return x[:, 0] if self.pooling == "first" else x[:, -1]

    def _mask(self, lengths: Tensor, x: Tensor) -> Tensor | None:
        """What tokens may see: for all prompts (L, L), or for each of them, as open_clip has it."""
        causal: Tensor | None = self.text.attn_mask
        L = x.shape[1]
        causal = None if causal is None else causal[:L, :L].to(x.dtype)
        if self.class_token is None and not getattr(self.text, "use_pad_mask", False):
            return causal
        pad = self.text.pad_id
        fill = torch.tensor(self.filler_ids, device=x.device)
        places = torch.arange(len(fill), device=x.device)
        as_ids = torch.where(places < lengths[:, None], pad + 1, fill)  # padding or not is all that is asked of them
        hidden: Tensor = self.text._build_additive_mask(as_ids, L, x.dtype)  # (N * H, L, L)
        return hidden if causal is None else causal + hidden


def _pooling(text: Any) -> str:
    return str(text.text_pool_type if hasattr(text, "text_pool_type") else text.pool_type)

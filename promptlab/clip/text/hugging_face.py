"""A text encoder of the transformers library, as open_clip wraps it: mask, pooler and projection are its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from open_clip.hf_configs import arch_dict
from torch import Tensor, nn

from promptlab.clip.text.edits import Edits
from promptlab.clip.text.whole import WholeTower
from promptlab.clip.tokens import Tokens


class HuggingFaceTower(WholeTower):
    """A frozen ``HFTextEncoder``, driven by ``inputs_embeds``; prompts are cut at the longest where padding is masked.

    Args:
        model: an open_clip model with the encoder under ``text``.
        tokens: its tokenizer, which knows the context length.
        memory_mb: what the tower may keep for the backward pass, in MiB.
        name: what messages call the model.
    """

    def __init__(self, model: nn.Module, tokens: Tokens, memory_mb: int, name: str) -> None:
        text: Any = model.text
        self.text = text
        length = int(tokens.tokenizer.context_length)
        super().__init__(text.transformer.get_input_embeddings(), tokens, length - tokens.reserved, memory_mb, name)
        names = arch_dict.get(text.config.model_type, arch_dict["bert"])["config_names"]
        self._heads, self._depth = (int(getattr(text.config, names[what])) for what in ("heads", "layers"))

    @property
    def heads(self) -> int:
        """Attention heads of a layer."""
        return self._heads

    @property
    def depth(self) -> int:
        """Layers."""
        return self._depth

    @property
    def layers(self) -> int:
        """Layers that contexts may name.

        Raises:
            UnsupportedBackboneError: always, since these aren't CLIP's.
        """
        raise self.refusal("prompts of deeper layers or adapters", "it is a Hugging Face model")

    @property
    def blocks(self) -> Sequence[Any]:
        """The modules of these layers.

        Raises:
            UnsupportedBackboneError: always, since these aren't CLIP's.
        """
        raise self.refusal("prompts of deeper layers or adapters", "it is a Hugging Face model")

    @property
    def dim(self) -> int:
        """D, width of a text feature."""
        return int(self.text.output_dim)

    def _length(self, longest: int) -> int:
        pad = self.text.config.pad_token_id
        return longest if all(token == pad for token in self.filler_ids[longest:]) else len(self.filler_ids)

    def _features(self, prompts: Tensor, lengths: Tensor, prefixes: Tensor, edits: Edits) -> Tensor:
        L = prompts.shape[1]
        fill = torch.tensor(self.filler_ids[:L], device=prompts.device)
        own = torch.arange(L, device=prompts.device) < lengths[:, None]
        mask = (own | (fill != self.text.config.pad_token_id)).long()  # (N, L)
        out = self.text.transformer(inputs_embeds=prompts.to(self.dtype), attention_mask=mask)
        features: Tensor = self.text.proj(self.text.pooler(out, mask))
        return features.float()

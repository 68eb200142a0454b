"""Which text tower drives a model: the exact causal one where it can, otherwise one that runs whole prompts."""

from __future__ import annotations

from typing import Any

from open_clip.hf_model import HFTextEncoder
from torch import nn

from promptlab.clip.functions import FunctionModel
from promptlab.clip.guards import UnsupportedBackboneError, missing_parts, why_not_causal
from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.full import FullTower
from promptlab.clip.text.functions import FunctionTower
from promptlab.clip.text.hugging_face import HuggingFaceTower
from promptlab.clip.text.tower import TextTower
from promptlab.clip.tokens import Tokens


def text_tower(model: nn.Module, tokens: Tokens, memory_mb: int, name: str) -> TextTower:
    """The tower that takes prompt vectors of an open_clip model.

    Args:
        model: a :class:`FunctionModel`, or one of open_clip with its text tower's parts on it (``CLIP``) or under
            ``text`` (``CustomTextCLIP``, ``CoCa``).
        tokens: its tokenizer.
        memory_mb: what the tower may keep for the backward pass, in MiB.
        name: what messages call the model.

    Raises:
        UnsupportedBackboneError: if there is no text tower that takes any.
    """
    if isinstance(model, FunctionModel):
        return FunctionTower(model.encode_text, model.device, name)
    text: Any = getattr(model, "text", model)
    if isinstance(text, HFTextEncoder):
        return HuggingFaceTower(model, tokens, memory_mb, name)
    missing = missing_parts(model)
    if missing:
        raise UnsupportedBackboneError(
            f"{name} can't take prompt vectors: it has no text tower as open_clip's models have it "
            f"(no {', '.join(missing)}). FrozenCLIP.from_functions wraps what has encode_image and encode_text"
        )
    if why_not_causal(model):
        return FullTower(model, tokens, memory_mb, name)
    return CausalTower(model, tokens, memory_mb)

"""A backbone by the name that configurations have for it."""

from __future__ import annotations

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.choices import choice_of
from promptlab.config.compose import node_of
from promptlab.config.overrides import opened
from promptlab.config.quoting import readable

DEFAULT_BACKBONE = "vit_b16"
"""OpenAI's ViT-B/16, the field's usual one: 0.3 GB, and a few pictures a second on two cores."""


def backbone_named(name: str) -> FrozenCLIP:
    """Load a backbone.

    Args:
        name: one of ``promptlab list backbones``.

    Raises:
        UsageError: if there is none of that name.

    Example:
        >>> backbone_named("demo").dim
        128
    """
    clip: FrozenCLIP = choice_of(node_of("backbone", [readable(opened(f"backbone={name}"), [])], []), "backbone").make()
    return clip

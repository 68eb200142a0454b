"""What open_clip's catalogue says about names: which weights an architecture has, and which activation they need.

Architectures come in pairs, ``ViT-B-16`` with GELU and ``ViT-B-16-quickgelu``. open_clip lists a tag under the plain
name whatever activation its weights were trained with; only the tag's own entry tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import open_clip

from promptlab.support.words import bare, closest

RANDOM = "random"
"""Asks for random weights where a tag would stand."""

HUB = "hf-hub:"
"""Begins the name of a repository, or of a file in one."""

_SUFFIX = "-quickgelu"


def pair_of(name: str) -> tuple[str, str]:
    """An architecture's name with GELU and with QuickGELU; open_clip need not have both."""
    plain = name.removesuffix(_SUFFIX)
    return plain, plain + _SUFFIX


def activation(quick_gelu: bool) -> str:
    """The activation as messages call it."""
    return "QuickGELU" if quick_gelu else "GELU"


def repo_activation(repo: str) -> bool | None:
    """Whether a hub repository's weights were trained with QuickGELU, where open_clip lists it."""
    for name, tag in open_clip.list_pretrained():
        cfg = open_clip.get_pretrained_cfg(name, tag)
        if cfg.get("hf_hub", "").rstrip("/") == repo:
            return bool(cfg.get("quick_gelu"))
    return None


def require_architecture(name: str) -> None:
    """Refuse what isn't an architecture of open_clip.

    Raises:
        ValueError: with the names that come close.
    """
    if name not in open_clip.list_models():
        raise ValueError(
            f"unknown model {name!r}{_meant(name)} Allowed are open_clip's architectures "
            "(open_clip.list_models()), 'hf-hub:org/repo', 'local-dir:folder', 'transformers:org/repo' and 'demo'"
        )


def require_activation(name: str, quick_gelu: bool, claim: str) -> None:
    """Refuse an architecture whose activation isn't the one that the weights were trained with.

    Args:
        name: an architecture of open_clip.
        quick_gelu: whether the weights were trained with QuickGELU.
        claim: who says so; begins the message.

    Raises:
        ValueError: with the name to use instead.
    """
    if _uses_quick_gelu(name) == quick_gelu:
        return
    other = _counterpart(name)
    instead = f"use {other!r}" if other else "give a configuration with that activation by 'local-dir:folder'"
    raise ValueError(f"{claim} with {activation(quick_gelu)}, but {name!r} is {activation(not quick_gelu)}: {instead}")


def related_tags(name: str) -> dict[str, dict[str, Any]]:
    """open_clip's entries of the tags whose weights were trained with this architecture and its activation, by tag.

    Where there are none, those of the same architecture with the other activation.
    """
    own, other = _tags(name), _counterpart(name)
    if own or other is None:
        return {tag: open_clip.get_pretrained_cfg(name, tag) for tag in own}
    return {tag: open_clip.get_pretrained_cfg(other, tag) for tag in _tags(other)}


def unknown_activation(file: str, name: str) -> ValueError:
    """The error for a file of weights of an architecture that doesn't say with which activation they were trained."""
    plain, quick = pair_of(name)
    return ValueError(
        f"{file} doesn't say whether its weights were trained with QuickGELU: give quick_gelu=True with "
        f"{quick!r} or quick_gelu=False with {plain!r}. Weights by OpenAI need QuickGELU"
    )


def unknown_tag(name: str, tag: str) -> ValueError:
    """The error for a tag that an architecture doesn't have."""
    other = _counterpart(name)
    if other and tag in _tags(other):
        claim = f"the {tag!r} weights were trained with {activation(_uses_quick_gelu(other))}"
        return ValueError(f"{claim}, but {name!r} is {activation(_uses_quick_gelu(name))}: use {other!r}")
    close = _close(tag, [*_tags(name), RANDOM])
    return ValueError(f"{name} has no weights {tag!r}{close} Allowed as pretrained are {allowed_weights(name)}")


def allowed_weights(name: str) -> str:
    """What ``pretrained`` may be for an architecture, and which tags its counterpart has."""
    other = _counterpart(name)
    elsewhere = f"; {other!r} has {listed(_tags(other))}" if other and _tags(other) else ""
    return f"its tags ({listed(_tags(name))}), the path of a checkpoint, and {RANDOM!r} for random weights{elsewhere}"


def listed(words: Sequence[str]) -> str:
    """Words as a message lists them."""
    return ", ".join(words) if words else "none"


def _uses_quick_gelu(name: str) -> bool:
    return bool(open_clip.get_model_config(name).get("quick_gelu"))


def _tags(name: str) -> list[str]:
    """The tags whose weights were trained with this architecture's activation."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    trained = {tag: bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu")) for tag in tags}
    return [tag for tag in tags if trained[tag] == _uses_quick_gelu(name)]


def _counterpart(name: str) -> str | None:
    """The same architecture with the other activation, if open_clip has it."""
    plain, quick = pair_of(name)
    other = plain if name == quick else quick
    return other if other in open_clip.list_models() else None


def _meant(name: str) -> str:
    """What somebody may have meant by a name: one of other signs (``vit_b16``), else what is close."""
    plain = [model for model in open_clip.list_models() if bare(model) == bare(name)]
    if not plain:
        return _close(name, open_clip.list_models())
    quick = _counterpart(plain[0])
    of_openai = f"{quick!r} (with pretrained='openai') or " if quick and "openai" in _tags(quick) else ""
    return f": did you mean {of_openai}{plain[0]!r}?"


def _close(word: str, allowed: Sequence[str]) -> str:
    """The end of a sentence, with those that come close; case and signs don't count, ``vit_b16`` is ``ViT-B-16``."""
    alike = [name for name in allowed if _bare(name).removesuffix("quickgelu") == _bare(word)]
    close = alike or closest(word, allowed, most=3) or _of_bare(closest(_bare(word), map(_bare, allowed), 3), allowed)
    return f": did you mean {' or '.join(map(repr, close))}?" if close else "."


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _of_bare(found: Iterable[str], allowed: Sequence[str]) -> list[str]:
    return [next(name for name in allowed if _bare(name) == bare) for bare in found]

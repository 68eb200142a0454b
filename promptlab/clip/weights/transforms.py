"""Which image transform weights were trained with: mean, deviation, interpolation and how pictures become squares.

open_clip keeps it in the entry of each published tag. A file doesn't say it. So a published file, known by its hash,
has that of its tag; any other file has the one that all tags of its architecture share, and where they differ
(ViT-L-14, ViT-H-14-quickgelu) somebody has to say whose it is.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import open_clip
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from promptlab.clip.weights.checkpoints import Release
from promptlab.clip.weights.names import listed, related_tags
from promptlab.support.words import suggest

log = logging.getLogger(__name__)


def transform_of_file(name: str, path: Path, release: Release | None, transform_of: str | None) -> dict[str, Any]:
    """The image transform of a file of weights, as open_clip's configuration has it.

    Args:
        name: the architecture.
        path: the file, for messages.
        release: the published weights that the file holds, if it is known.
        transform_of: a tag of the architecture whose transform the weights were trained with, if somebody says so.

    Raises:
        ValueError: if it can't be known and isn't said, or what is said can't be.
    """
    tags = related_tags(name)
    if release is not None:
        if transform_of not in (None, release.tag):
            raise ValueError(
                f"transform_of={transform_of!r}: {path} holds the published weights {release.tag!r}, which bring their "
                "own image transform: leave transform_of out"
            )
        published: dict[str, Any] = open_clip.get_pretrained_cfg(name, release.tag)
        return published
    if transform_of is not None:
        if transform_of not in tags:
            raise ValueError(
                f"transform_of={transform_of!r} is no tag of {name}{suggest(transform_of, tags)}: allowed are "
                f"{listed(list(tags))}"
            )
        return tags[transform_of]
    different: dict[str, list[str]] = {}
    for tag, cfg in tags.items():
        different.setdefault(_shown(cfg), []).append(tag)
    if len(different) > 1:
        choices = "; ".join(f"{listed(whose)} ({shown})" for shown, whose in different.items())
        raise ValueError(
            f"{path} is none of the published files of {name}, and those don't all see images the same way. Say whose "
            f"image transform it was trained with, by transform_of=TAG (backbone.transform_of=TAG for a run): {choices}"
        )
    if different and _shown({}) not in different:
        log.warning("%s is taken to see images as all published weights of %s do (%s)", path, name, *different)
    return next(iter(tags.values()), {})


def refuse_transform(transform_of: str | None, what: str) -> None:
    """Refuse to be told a transform that is known.

    Args:
        transform_of: what was said.
        what: brings its own.

    Raises:
        ValueError: if something was said.
    """
    if transform_of is not None:
        raise ValueError(
            f"transform_of={transform_of!r} is for weights given by a file's path: {what} brings its own transform"
        )


def _shown(cfg: dict[str, Any]) -> str:
    """All that a configuration says of the transform, but for the size, which the model itself says."""
    merged = merge_preprocess_dict(PreprocessCfg(), cfg)
    mean, std = ("(" + ", ".join(f"{value:.4g}" for value in merged[key]) + ")" for key in ("mean", "std"))
    fill = f", filled with {merged['fill_color']}" if merged["fill_color"] else ""
    return f"mean {mean}, std {std}, {merged['interpolation']}, {merged['resize_mode']}{fill}"

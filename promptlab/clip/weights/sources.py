"""From a model's name and its weights' name to a configuration and a checkpoint, with every mismatch refused.

Nothing large is read or built here. What can silently ruin numbers is the activation: OpenAI's weights and some others
were trained with QuickGELU, open_clip keeps that in the architecture's name (``ViT-B-16-quickgelu``), and with another
name it builds the wrong model and only warns. Here the two must agree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError
from open_clip.factory import parse_model_name
from open_clip.pretrained import download_pretrained_from_hf

from promptlab.clip.weights import names
from promptlab.clip.weights.checkpoints import Checkpoint
from promptlab.clip.weights.transforms import refuse_transform, transform_of_file
from promptlab.support.errors import NotThereError, PromptlabError
from promptlab.support.json_texts import read_json_text
from promptlab.support.words import first_line

log = logging.getLogger(__name__)
_CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
_CONFIG = "open_clip_config.json"
_REQUIRED = ("embed_dim", "vision_cfg", "text_cfg")
_USUAL_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)


class WeightsUnavailableError(PromptlabError, RuntimeError):
    """Weights, a configuration or a tokenizer couldn't be fetched."""


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Args:
        label: what Results call it.
        name: the architecture, repository or folder as open_clip spells it.
        model_cfg: open_clip's configuration, activation included.
        fetch: gives the checkpoint, downloading it if need be; None for random weights.
        preprocess_cfg: the entries of open_clip's evaluation transform that differ from CLIP's.
    """

    label: str
    name: str
    model_cfg: dict[str, Any]
    fetch: Callable[[], Checkpoint] | None
    preprocess_cfg: dict[str, Any] = field(default_factory=dict)


def resolve(name: str, pretrained: str | None, quick_gelu: bool | None, transform_of: str | None = None) -> Source:
    """Find a model's configuration and weights.

    Args:
        name: an architecture of open_clip, ``hf-hub:org/repo`` or ``local-dir:folder``.
        pretrained: for an architecture: a tag, the path of a checkpoint, ``hf-hub:org/repo/file`` or "random".
        quick_gelu: the activation that the weights were trained with, where that can't be known.
        transform_of: the tag whose image transform a file's weights were trained with, where that can't be known.

    Raises:
        ValueError: for a name, a tag or an activation that doesn't fit; the message names what does.
        FileNotFoundError: for a missing checkpoint, folder or configuration.
        CheckpointError: for a TorchScript archive that isn't OpenAI's.
        WeightsUnavailableError: if a hub configuration can't be fetched.
    """
    schema, identifier = parse_model_name(name)
    if schema is None:
        return _resolve_architecture(name, pretrained, quick_gelu, transform_of)
    refuse_transform(transform_of, name)
    if pretrained is not None:
        raise ValueError(f"{name} brings its own weights: leave out pretrained={pretrained!r}")
    if schema == "local-dir":
        return _resolve_folder(name, Path(identifier).expanduser(), quick_gelu)
    return _resolve_hub(name, identifier, quick_gelu)


def _resolve_architecture(
    name: str, pretrained: str | None, quick_gelu: bool | None, transform_of: str | None
) -> Source:
    names.require_architecture(name)
    if quick_gelu is not None:
        names.require_activation(name, quick_gelu, f"quick_gelu={quick_gelu} says that the weights were trained")
    if pretrained is None:
        raise ValueError(f"{name} needs pretrained: allowed are {names.allowed_weights(name)}")
    model_cfg = open_clip.get_model_config(name)
    if pretrained == names.RANDOM:
        refuse_transform(transform_of, f"{names.RANDOM!r}")
        return Source(f"{name}/{pretrained}", name, model_cfg, fetch=None)
    tag_cfg = open_clip.get_pretrained_cfg(name, pretrained)
    if tag_cfg:
        refuse_transform(transform_of, f"the tag {pretrained!r}")
        names.require_activation(name, bool(tag_cfg.get("quick_gelu")), f"the {pretrained!r} weights were trained")
        label = f"{name}/{pretrained}"
        return Source(label, name, model_cfg, lambda: _fetch_tag(label, tag_cfg), tag_cfg)
    if pretrained.startswith(names.HUB):
        return _resolve_hub_file(name, pretrained, model_cfg, quick_gelu, transform_of)
    path = Path(pretrained).expanduser()
    if not (path.exists() or path.suffix in _CHECKPOINT_SUFFIXES or len(path.parts) > 1):
        raise names.unknown_tag(name, pretrained)
    checkpoint = Checkpoint(path)
    _require_file_activation(name, checkpoint, quick_gelu)
    preprocess_cfg = transform_of_file(name, path, checkpoint.release, transform_of)
    return Source(f"{name}/{path.name}", name, model_cfg, lambda: checkpoint, preprocess_cfg)


def _resolve_hub_file(
    name: str, pretrained: str, model_cfg: dict[str, Any], quick_gelu: bool | None, transform_of: str | None
) -> Source:
    """A file of weights in a hub repository that has no configuration of open_clip's."""
    parts = pretrained.removeprefix(names.HUB).split("/", 2)
    if len(parts) < 3 or Path(parts[2]).suffix not in _CHECKPOINT_SUFFIXES:
        raise ValueError(
            f"pretrained={pretrained!r}: '{names.HUB}org/repo/file' is needed, with a file of "
            f"{', '.join(_CHECKPOINT_SUFFIXES)}; a repository in open_clip's layout is given as name"
        )
    if quick_gelu is None:
        raise names.unknown_activation(pretrained, name)
    label, repo = f"{name}/{Path(parts[2]).name}", "/".join(parts[:2])
    preprocess_cfg = transform_of_file(name, Path(pretrained), None, transform_of)

    def fetch() -> Checkpoint:
        checkpoint = Checkpoint(_download(pretrained, lambda: hf_hub_download(repo, parts[2])))
        checkpoint.require_safe()
        return checkpoint

    return Source(label, name, model_cfg, fetch, preprocess_cfg)


def _require_file_activation(name: str, checkpoint: Checkpoint, quick_gelu: bool | None) -> None:
    checkpoint.require_safe()
    release = checkpoint.release
    if release is not None and name not in release.models:
        raise ValueError(
            f"{checkpoint.path} holds the {release.tag!r} weights of {names.listed(release.models)}, trained with "
            f"{names.activation(release.quick_gelu)}: use that name instead of {name!r}"
        )
    if release is None and quick_gelu is None:
        raise names.unknown_activation(str(checkpoint.path), name)


def _resolve_folder(name: str, folder: Path, quick_gelu: bool | None) -> Source:
    config = folder / _CONFIG
    if not config.is_file():
        raise NotThereError(f"{name} needs a folder with {_CONFIG}: there is no {config.absolute()}")
    model_cfg, preprocess_cfg = _read_config(config, quick_gelu)
    found = [folder / file for file in _USUAL_FILES if (folder / file).is_file()][:1]
    found = found or [path for path in sorted(folder.iterdir()) if path.suffix in _CHECKPOINT_SUFFIXES]
    if len(found) != 1:
        files = names.listed([path.name for path in found])
        raise NotThereError(f"{name} needs one file of weights, such as {_USUAL_FILES[0]}; found {files}")
    checkpoint = Checkpoint(found[0])
    return Source(name, name, model_cfg, lambda: checkpoint, preprocess_cfg)


def _resolve_hub(name: str, repo: str, quick_gelu: bool | None) -> Source:
    config = _download(name, lambda: download_pretrained_from_hf(repo, filename=_CONFIG))
    model_cfg, preprocess_cfg = _read_config(config, quick_gelu)
    trained = names.repo_activation(repo)
    if trained is not None and bool(model_cfg.get("quick_gelu")) != trained:
        claim = "its configuration" if quick_gelu is None else f"quick_gelu={quick_gelu}"
        raise ValueError(
            f"the weights of {name} were trained with {names.activation(trained)}, but {claim} says "
            f"{names.activation(not trained)}: give quick_gelu={trained}"
        )

    def fetch() -> Checkpoint:
        return Checkpoint(_download(name, lambda: download_pretrained_from_hf(repo)))

    return Source(name, name, model_cfg, fetch, preprocess_cfg)


def _read_config(path: Path, quick_gelu: bool | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Model and preprocess configuration; an explicit activation wins over the file's."""
    try:
        config = read_json_text(path.read_text(encoding="utf-8"))
        model_cfg = {key: config["model_cfg"][key] for key in _REQUIRED} | config["model_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        needed = names.listed(_REQUIRED)
        raise ValueError(f"{path} is no open_clip configuration ('model_cfg' with {needed}): {error!r}") from error
    if quick_gelu is not None:
        model_cfg["quick_gelu"] = quick_gelu
    if not config.get("preprocess_cfg"):
        log.warning("%s says nothing of the image transform (preprocess_cfg): CLIP's own mean and crop are used", path)
    return model_cfg, config.get("preprocess_cfg") or {}


def _fetch_tag(label: str, tag_cfg: dict[str, Any]) -> Checkpoint:
    return Checkpoint(_download(label, lambda: open_clip.download_pretrained(tag_cfg)))


def refuse_gated(label: str, error: BaseException) -> None:
    """Say what to do where a repository's owner asks for an agreement; nothing for other errors.

    Args:
        label: what was asked for.
        error: what a client raised, perhaps because of what the hub's own raised.

    Raises:
        WeightsUnavailableError: if that is what went wrong.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, GatedRepoError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return
    raise WeightsUnavailableError(
        f"{label} is a gated repository: accept its owner's conditions on the model's page, then log in with "
        f"'hf auth login' or set HF_TOKEN"
    ) from None


def _download(label: str, fetch: Callable[[], str]) -> Path:
    try:
        return Path(fetch())
    except Exception as error:  # the hub's client and urllib have dozens
        refuse_gated(label, error)
        raise WeightsUnavailableError(
            f"{label} is not in the local cache and could not be fetched ({first_line(error)}). Check the name and the "
            "network; without a network, give the path of a checkpoint as pretrained, or 'local-dir:folder' as name"
        ) from None  # pages of client internals say no more

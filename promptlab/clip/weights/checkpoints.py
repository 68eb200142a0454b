"""Checkpoint files: what they are, and their tensors without running any code they hold.

Pickles are read with ``weights_only``. A TorchScript archive, the form in which OpenAI released CLIP, carries code that
loading it runs; so it is opened only if its SHA-256 is one of those that open_clip lists for OpenAI's files.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn

from promptlab.support import reads
from promptlab.support.errors import NotThereError, PromptlabError
from promptlab.support.pointers import refuse_pointer
from promptlab.support.words import counted, first_line, some_of

_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # OpenAI's archives hold these as tensors
_KEYS_NAMED = 3
_CONVERT = (
    "Where you trust the file, convert it once: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)


class CheckpointError(PromptlabError, ValueError):
    """A checkpoint file that can't be read safely, or doesn't fit the model."""


@dataclass(frozen=True)
class Release:
    """Published weights, recognised by their hash.

    Args:
        tag: open_clip's name of the weights.
        sha256: the file's hash: all 64 digits (OpenAI's files), or the first 8 (open_clip's own).
        quick_gelu: whether they were trained with QuickGELU.
        models: architectures that they fit, activation included.
    """

    tag: str
    sha256: str
    quick_gelu: bool
    models: tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights: ``.safetensors``, a PyTorch state dict, or OpenAI's TorchScript archive.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if Git LFS left a pointer in its place.
    """

    path: Path

    def __post_init__(self) -> None:
        reads.note(self.path)
        if not self.path.is_file():
            raise NotThereError(f"no checkpoint file at {self.path.absolute()}")
        refuse_pointer(self.path, CheckpointError)

    @cached_property
    def is_torchscript(self) -> bool:
        """Whether the file is a TorchScript archive."""
        if not zipfile.is_zipfile(self.path):
            return False
        with zipfile.ZipFile(self.path) as archive:
            return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())

    @cached_property
    def release(self) -> Release | None:
        """Which published weights the file holds, by its hash; None if unknown."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return next((release for release in _releases() if digest.startswith(release.sha256)), None)

    def state_dict(self) -> dict[str, Tensor]:
        """The file's tensors by key, on the CPU.

        Raises:
            CheckpointError: if the file is damaged, holds code, or holds anything but a state dict.
        """
        loaded = self._load()
        if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):  # an open_clip training checkpoint
            loaded = loaded["state_dict"]
        if not isinstance(loaded, dict) or not loaded or not all(isinstance(v, Tensor) for v in loaded.values()):
            raise CheckpointError(f"{self.path} holds no state dict (tensors by name), but a {type(loaded).__name__}")
        if all(key.startswith("module.") for key in loaded):  # saved from DistributedDataParallel
            loaded = {key.removeprefix("module."): tensor for key, tensor in loaded.items()}
        return {key: tensor for key, tensor in loaded.items() if key not in _NOT_WEIGHTS}

    def require_safe(self) -> None:
        """Refuse a TorchScript archive that isn't one of OpenAI's.

        Raises:
            CheckpointError: saying how to convert it.
        """
        if self.is_torchscript and (self.release is None or len(self.release.sha256) < 64):
            raise CheckpointError(
                f"{self.path} is a TorchScript archive, which can run code when it is loaded, and its SHA-256 is none "
                f"of those of OpenAI's releases: refused. {_CONVERT}"
            )

    def _load(self) -> Any:
        self.require_safe()
        try:
            if self.is_torchscript:
                return _read_torchscript(self.path)
            if self.path.suffix == ".safetensors":
                return load_file(self.path)
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            raise CheckpointError(
                f"{self.path} is damaged or holds more than tensors, which could run code when it is loaded: refused. "
                f"{_CONVERT}"
            ) from error
        except Exception as error:  # each format has errors of its own
            raise CheckpointError(f"{self.path} can't be read as a checkpoint ({first_line(error)})") from error


def load_weights(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint into a model: every key must be there, none left over, every shape equal.

    open_clip would stretch position embeddings of another length; here that is refused like any other shape.

    Raises:
        CheckpointError: naming a few of the keys that don't fit.
    """
    state = _as_open_clip(model, checkpoint.state_dict())
    problems = list(_differences(model.state_dict(), state))
    if problems:
        raise CheckpointError(f"{checkpoint.path} doesn't fit the architecture: {'; '.join(problems)}")
    model.load_state_dict(state)


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated, OpenAI's files stay as they are
        return dict(torch.jit.load(str(path), map_location="cpu").state_dict())  # type: ignore[no-untyped-call]


def _as_open_clip(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The older and foreign key names that open_clip itself reads."""
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    scale = state.get("logit_scale")
    if scale is not None and scale.numel() == 1:  # saved as a number or as a vector of one
        state["logit_scale"] = scale.reshape(model.logit_scale.shape)
    return state


def _differences(expected: dict[str, Tensor], got: dict[str, Tensor]) -> Iterator[str]:
    missing = [key for key in expected if key not in got]
    unexpected = [key for key in got if key not in expected]
    reshaped = [
        f"{key} {tuple(got[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in got and got[key].shape != expected[key].shape
    ]
    for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped)):
        if keys:
            yield f"{counted(len(keys), 'key')} {what} ({some_of(keys, _KEYS_NAMED)})"


def _releases() -> list[Release]:
    """Published files whose address holds their hash."""
    models: dict[tuple[str, str, bool], list[str]] = {}
    for model, tag in open_clip.list_pretrained():
        cfg = open_clip.get_pretrained_cfg(model, tag)
        url, quick_gelu = cfg.get("url", ""), bool(cfg.get("quick_gelu"))
        if "openaipublic" in url:
            sha256 = url.split("/")[-2]
        elif "mlfoundations" in url:
            sha256 = Path(url).stem.split("-")[-1]
        else:
            continue
        fitting = models.setdefault((tag, sha256, quick_gelu), [])
        if bool(open_clip.get_model_config(model).get("quick_gelu")) == quick_gelu:
            fitting.append(model)
    return [Release(*key, tuple(fitting)) for key, fitting in models.items()]

"""Hyper-parameters as JSON values and back, and classes by their import path.

A card may come from a stranger, so only classes of promptlab itself are ever looked up from one, and nothing in it is
called but the constructors of learners and settings.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch

from promptlab.clip.weights.load import portable
from promptlab.learners.base.arguments import flat
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.other_backbone import OtherBackbone
from promptlab.learners.base.saved_learner import SavedLearner
from promptlab.saved.card import CardError
from promptlab.support.deprecation import current_path
from promptlab.support.signatures import path_of
from promptlab.support.typed_json import PlainError, to_plain
from promptlab.support.version import __version__

TARGET, PARTIAL, VERSION = "_target_", "_partial_", "_version_"
_OWN_CLASS = re.compile(r"(promptlab(?:\.learners(?:\.[a-z]\w*)*)?)\.([A-Z]\w*)")


def arguments_to_json(learner: PromptLearner) -> dict[str, Any]:
    """A learner's hyper-parameters as JSON values; generators are left out.

    Dataclasses are written as ``{"_target_": import path, fields}``; inner learners, which are a class or a
    ``functools.partial`` of one, as ``{"_target_": import path, "_partial_": true, "_version_": version, arguments}``.

    Raises:
        CardError: for any other value, naming the argument.
    """
    try:
        return _items_to_json(flat(type(learner), learner.arguments), "")
    except (CardError, PlainError) as error:
        raise CardError(f"{type(learner).__name__} can't be saved: argument {error}") from error


def arguments_from_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The hyper-parameters that :func:`arguments_to_json` wrote.

    Raises:
        CardError: if they name anything but learners and settings of promptlab.
    """
    return {name: _from_json(value, name) for name, value in values.items()}


def own_class(path: str) -> type:
    """A class of promptlab by its import path.

    Raises:
        CardError: for a path that leads elsewhere (nothing is imported then), or to no class.
    """
    match = _OWN_CLASS.fullmatch(current_path(path))
    if match is None:
        raise CardError(f"{path!r} is no class of promptlab, and others are not imported from a card")
    try:
        found = getattr(import_module(match[1]), match[2], None)
    except ImportError:
        found = None
    if not inspect.isclass(found) or not found.__module__.startswith("promptlab."):
        raise CardError(f"this promptlab ({__version__}) has no class {path!r}")
    return found


def require_version(found: int, kind: type[PromptLearner]) -> None:
    """Refuse what another version of a learner learned: its numbers would differ.

    Raises:
        CardError: with both versions.
    """
    if found != kind.version:
        raise CardError(
            f"it was saved by version {found} of {kind.__name__}, this promptlab ({__version__}) has version "
            f"{kind.version}, which gives other numbers: use the promptlab that saved it"
        )


def refuse_files(kind: type[PromptLearner], arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that name files: a card holds what they held, and none of this machine is opened for it.

    Raises:
        CardError: naming the argument.
    """
    for name in kind.file_arguments:
        if isinstance(arguments.get(name), str):
            raise CardError(f"argument {name} names a file ({arguments[name]!r}), and none is opened for a card")


def _items_to_json(values: Mapping[str, Any], path: str) -> dict[str, Any]:
    kept = {name: value for name, value in values.items() if not isinstance(value, torch.Generator)}
    return {name: _to_json(value, f"{path}{name}") for name, value in kept.items()}


def _to_json(value: Any, path: str) -> Any:
    if isinstance(value, partial) and not value.args and _is_learner(value.func):
        return _named(value.func, path) | _inner_facts(value.func) | _items_to_json(value.keywords, f"{path}.")
    if _is_learner(value):
        return _named(value, path) | _inner_facts(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        return _named(type(value), path) | _items_to_json(fields, f"{path}.")
    if isinstance(value, list | tuple):
        return [_to_json(item, f"{path}[{position}]") for position, item in enumerate(value)]
    if isinstance(value, Mapping) and TARGET in value:
        raise CardError(f"{path}: a mapping with the key {TARGET} can't be told from a class's arguments")
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return _items_to_json(value, f"{path}.")
    return to_plain(value, path)


def _is_learner(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, PromptLearner)


def _named(kind: Any, path: str) -> dict[str, Any]:
    """The node that names a class, if a card may name it."""
    name = path_of(kind)
    try:
        found = own_class(name)
    except CardError:
        found = None
    if found is not kind:
        raise CardError(f"{path}: {name} is no class of promptlab, so a card can't bring it back")
    return {TARGET: name}


def _inner_facts(kind: Any) -> dict[str, Any]:
    return {PARTIAL: True, VERSION: kind.version}


def _from_json(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_from_json(item, f"{path}[{position}]") for position, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    node_keys = (TARGET, PARTIAL, VERSION)
    given = {key: _from_json(item, f"{path}.{key}") for key, item in value.items() if key not in node_keys}
    if TARGET not in value:
        return given
    try:
        return _object(value, given)
    except (CardError, TypeError, ValueError) as error:
        raise CardError(f"argument {path}: {error}") from error


def _object(node: Mapping[str, Any], given: dict[str, Any]) -> Any:
    """The inner learner or the settings that a node names."""
    kind: Any = own_class(str(node[TARGET]))
    if _is_learner(kind) and node.get(PARTIAL) is True:
        refuse_files(kind, given)
        require_version(node.get(VERSION, "unknown"), kind)
        return partial(kind, **given)
    if not dataclasses.is_dataclass(kind) or PARTIAL in node:
        raise CardError(f"{node[TARGET]} is neither a learner nor settings of one")
    made: Any = kind
    if made is SavedLearner and given.get("folder") is not None:
        raise CardError(f"folder {given['folder']!r} is one of another machine, which isn't opened for a card")
    if made is OtherBackbone:
        _refuse_weights_by_path(given)
    return made(**given)


def _refuse_weights_by_path(given: Mapping[str, Any]) -> None:
    """Refuse a backbone whose weights a card names by a file or folder.

    Raises:
        CardError: naming the key.
    """
    name, pretrained = given.get("name"), given.get("pretrained")
    if not isinstance(name, str) or not isinstance(pretrained, str | None):
        raise CardError(f"name={name!r}, pretrained={pretrained!r}: a backbone's name and its weights' are text")
    if portable(name, pretrained, None, None) is None:
        key = "name" if portable(name, None, None, None) is None else "pretrained"
        raise CardError(
            f"{key}={given[key]!r} is a file or folder of another machine, which isn't opened for a card: make the "
            "learner yourself, with a backbone that you give, and its load_learned takes the tensors"
        )

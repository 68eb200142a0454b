"""The one place that turns ``_target_`` nodes of the configuration into objects.

Keys are checked against the target's own signature first, so that a mistake is named before anything is loaded.
Configuration is code: never build one that you don't trust.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import types
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from promptlab.class_text.sentences import content_digest
from promptlab.config.schema import ConfigError
from promptlab.support.deprecation import current_path
from promptlab.support.signatures import signature_of

NOT_ARGUMENTS = ("about", "_target_", "_partial_", "_convert_")
NAMES_FOR_PEOPLE = ("name",)
"""Keys of ``learner`` and ``protocol`` that name folders and are no arguments."""


def factory(node: Mapping[str, Any], where: str, drop: Collection[str] = ()) -> Callable[..., Any]:
    """A callable that makes the node's object; what the configuration doesn't know is given when it is called.

    Args:
        node: with ``_target_`` and its arguments; nodes inside are made first.
        where: name of the node, for messages.
        drop: keys that are for people, besides ``about``.

    Raises:
        ConfigError: as :func:`check`; also if a node inside can't be made.
    """
    check(node, where, drop)
    try:
        made: Callable[..., Any] = instantiate({**_for_hydra(node, drop), "_partial_": True, "_convert_": "all"})
    except InstantiationException as error:
        raise ConfigError(f"{where}: {error.__cause__ or error}") from error
    return made


def check(node: Mapping[str, Any], where: str, drop: Collection[str] = ()) -> None:
    """Check a node's keys and values against its target's signature, nodes inside too.

    Raises:
        ConfigError: naming the key, what is allowed, and the closest match.
    """
    target = target_of(node, where)
    parameters = signature_of(target)
    hints, files = _hints(target), _file_arguments(target)
    for key, value in node.items():
        if key in NOT_ARGUMENTS or key in drop:
            continue
        if key not in parameters:
            raise ConfigError(f"unknown key {where}.{key}{suggest(key, parameters)}; {target.__name__} takes: "
                              f"{', '.join(parameters)}")  # fmt: skip
        if isinstance(value, Mapping) and "_target_" in value:
            check(value, f"{where}.{key}", _for_people(value))
        elif key in files and isinstance(value, str) and not Path(value).expanduser().is_file():
            raise ConfigError(f"{where}.{key}={value}: there is no such file")
        elif key in hints and not _fits(value, hints[key]):
            raise ConfigError(f"{where}.{key}={value!r}: {_describe(hints[key])} is needed")


def target_of(node: Mapping[str, Any], where: str) -> Any:
    """The class or function that a node names.

    Raises:
        ConfigError: if it names none, or one that can't be imported.
    """
    name = node.get("_target_")
    if not name:
        raise ConfigError(f"{where} has no _target_: choose one with {where}=NAME")
    module, _, attribute = current_path(name).rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{where}._target_={name}: can't be imported ({error})") from error


def arguments_of(node: Mapping[str, Any], where: str, drop: Collection[str] = ()) -> dict[str, Any]:
    """All plain arguments of a node's target: those of the node, and defaults for the rest.

    What a file holds stands for its path, and nothing for a file that isn't given.
    """
    target = target_of(node, where)
    parameters = signature_of(target)
    given = {key: value for key, value in node.items() if key not in NOT_ARGUMENTS and key not in drop}
    for key, value in given.items():
        if isinstance(value, Mapping) and "_target_" in value:
            given[key] = _inner_arguments(value, f"{where}.{key}")
    defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    everything = {**defaults, **given}
    for key in _file_arguments(target):
        value = everything.pop(key, None)
        if value is not None:
            everything[key] = content_digest(value) if isinstance(value, str) else value
    later = getattr(target, "added_later", {})  # arguments that came after fits had ids: left out while they do nothing
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in everything.items()}
    return {key: value for key, value in everything.items() if key not in later or plain[key] != later[key]}


def _file_arguments(target: Any) -> tuple[str, ...]:
    """Arguments that may be paths of files, of a learner that says so."""
    found: tuple[str, ...] = getattr(target, "file_arguments", ())
    return found


def _inner_arguments(node: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Arguments of a node inside; of an inner learner also which one it is, and its version."""
    arguments = arguments_of(node, where, _for_people(node))
    if not node.get("_partial_"):
        return arguments
    version = getattr(target_of(node, where), "version", None)
    return {"_target_": node["_target_"], "version": version, **arguments}


def _for_people(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of a node inside that are no arguments of its target."""
    parameters = signature_of(target_of(node, ""))
    return tuple(key for key in NAMES_FOR_PEOPLE if key not in parameters)


def _for_hydra(node: Mapping[str, Any], drop: Collection[str]) -> dict[str, Any]:
    """A node without what is for people."""
    kept = {
        key: _for_hydra(value, _for_people(value)) if isinstance(value, Mapping) and "_target_" in value else value
        for key, value in node.items()
        if key != "about" and key not in drop
    }
    return kept | ({"_target_": current_path(kept["_target_"])} if "_target_" in kept else {})


def suggest(key: str, allowed: Collection[str]) -> str:
    """``, did you mean X?`` or nothing."""
    close = difflib.get_close_matches(key, allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # a plug-in's annotations may not be resolvable: its constructor still checks its values
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain configuration value can be an argument of this type; True where that can't be told."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is Literal:
        return value in arguments
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if value is None:
        return False
    wanted = origin or hint
    if isinstance(value, str | int | float | bool) and inspect.isclass(wanted):
        return isinstance(value, wanted) or (isinstance(value, str) and issubclass(wanted, Path))
    return True


def _describe(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(option) for option in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in arguments)
    return "null" if hint is type(None) else getattr(hint, "__name__", str(hint))

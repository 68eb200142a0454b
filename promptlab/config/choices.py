"""``_target_`` nodes of a configuration to choices, every key and value checked against the target's own signature.

A mistake is named before anything is loaded. Configuration is code: never build one that you don't trust.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from promptlab.config.as_text import as_text
from promptlab.config.choice import Choice
from promptlab.config.settings import ConfigError
from promptlab.support.deprecation import current_path
from promptlab.support.ranges import describe, fits, hints_of
from promptlab.support.signatures import signature_of
from promptlab.support.words import shown, suggest

_NO_ARGUMENTS = ("about", "_target_", "_partial_", "_convert_")


def choice_of(node: Mapping[str, Any], where: str, *, drop: Collection[str] = (), named: bool | None = None) -> Choice:
    """The choice that a node names.

    Args:
        node: with ``_target_`` and arguments.
        where: name of the node, for messages.
        drop: keys that are no arguments.
        named: whether ``name`` is the choice's name (True) or an argument (False); where the target takes no such
            argument, its name, if None.

    Raises:
        ConfigError: naming the key, what is allowed, and the closest match.
    """
    target = imported_target(node, where)
    parameters, hints = _parameters_of(target, node, where), hints_of(target)
    given = {key: value for key, value in node.items() if key not in _NO_ARGUMENTS and key not in drop}
    is_name = "name" not in parameters if named is None else named
    name = (given.pop("name", "") if is_name else "") or ""
    if not isinstance(name, str):
        raise ConfigError(f"{where}.name={shown(name)}: text is needed")
    arguments = {}
    for key, value in given.items():
        if key not in parameters:
            raise ConfigError(f"unknown key {where}.{key}{suggest(key, parameters)}; {target.__name__} takes: "
                              f"{', '.join(parameters)}")  # fmt: skip
        value = as_text(value, hints.get(key, Any), f"{where}.{key}")
        arguments[key] = _argument(value, f"{where}.{key}")
        if value is not parameters[key].default:
            _check_value(arguments[key], f"{where}.{key}", hints.get(key, Any), is_file=key in file_arguments(target))
    _check_together(target, arguments, where)
    return Choice(target, arguments, name, str(node["_target_"]), bool(node.get("_partial_")))


def rehearse(choice: Choice, where: str) -> Choice:
    """Make the choices inside a choice, as they will be made later, so that what they refuse is named at once.

    Raises:
        ConfigError: with what one of them refuses.
    """
    try:
        choice.factory()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {error}") from error
    except Exception as error:  # whatever a plug-in's class raises
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    return choice


def file_arguments(target: Any) -> tuple[str, ...]:
    """Arguments that may be paths of files, of a learner that says so."""
    found: tuple[str, ...] = getattr(target, "file_arguments", ())
    return found


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _argument(value: Any, where: str) -> Any:
    """A value with the nodes in it turned into choices."""
    if _is_node(value):
        return choice_of(value, where)
    if isinstance(value, Mapping):
        return {key: _argument(item, f"{where}.{key}") for key, item in value.items()}
    return [_argument(item, f"{where}[{i}]") for i, item in enumerate(value)] if isinstance(value, list) else value


def _check_value(value: Any, where: str, hint: Any, *, is_file: bool) -> None:
    if isinstance(value, Choice):
        _check_kind(value, where, hint)
    elif is_file and isinstance(value, str):
        if not Path(value).expanduser().is_file():
            raise ConfigError(f"{where}={value}: there is no such file")
    elif hint is not Any and not fits(value, hint):
        raise ConfigError(f"{where}={shown(value)}: {describe(hint)} is needed{_by_keys(where, hint)}")


def _by_keys(where: str, hint: Any) -> str:
    """How settings that are an object of their own are given."""
    kinds = [kind for kind in (get_args(hint) or (hint,)) if dataclasses.is_dataclass(kind)]
    return f", by its keys: {where}.{dataclasses.fields(kinds[0])[0].name} and so on" if kinds else ""


def _check_kind(choice: Choice, where: str, hint: Any) -> None:
    """Refuse a class whose objects the argument can't be; what a function makes only shows when it is called."""
    if hint is Any:  # a class, as Python has it
        return
    wanted = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
    if choice.as_factory or not inspect.isclass(choice.kind) or not all(map(inspect.isclass, wanted)):
        return
    if not issubclass(choice.kind, tuple(wanted)):
        raise ConfigError(f"{where}._target_={choice.path}: {describe(hint)} is needed")


def _check_together(target: Any, arguments: Mapping[str, Any], where: str) -> None:
    """Refuse arguments that a class says don't fit each other, as it will when it is made."""
    if not hasattr(target, "check_together"):
        return
    defaults = {name: p.default for name, p in signature_of(target).items() if p.default is not p.empty}
    try:
        target.check_together({**defaults, **arguments})
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def imported_target(node: Mapping[str, Any], where: str) -> Any:
    """The class or function that a node names.

    Raises:
        ConfigError: if it names none, or one that can't be imported.
    """
    name = node.get("_target_")
    if not name:
        raise ConfigError(f"{where} has no _target_: choose one with {where}=NAME")
    module, _, attribute = current_path(str(name)).rpartition(".")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}._target_={name}: can't be imported ({error})") from error
    if not callable(target):
        raise ConfigError(f"{where}._target_={name}: a class or a function is needed")
    return target


def _parameters_of(target: Any, node: Mapping[str, Any], where: str) -> dict[str, inspect.Parameter]:
    try:
        return signature_of(target)
    except ValueError as error:  # of a class or function that is written in C
        raise ConfigError(f"{where}._target_={node['_target_']}: {error}") from error

"""Which keys a configuration can have: those that it has and nobody takes are named with what was meant.

Signatures are read from the source (:mod:`promptlab.support.source`), so that a typo is answered before torch is
imported; :mod:`promptlab.config.check` looks again with what is imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from promptlab.config.groups import GIVEN, NO_ARGUMENTS, annotation_of, choices, taken_by, written_target
from promptlab.config.schema import OPEN_GROUPS, Config, DataConfig
from promptlab.config.settings import ConfigError
from promptlab.support.source import written
from promptlab.support.words import bare, some_of, suggest

TRAINER = "lightning.Trainer"
SYNONYMS = {"learning_rate": "lr", "output_dir": "results", "output": "results", "num_shots": "shots",
            "wd": "weight_decay", "bs": "batch_size", "root_dir": "data.root", "data_dir": "data.root",
            "gpu": "backbone.device", "model": "learner", "method": "learner", "arch": "backbone", "overwrite": "force",
            "cuda": "backbone.device", "ctx": "n_ctx", "context": "ctx_init"}  # fmt: skip
"""What other programs call a key."""


def check_keys(nodes: Mapping[str, Any], folders: Sequence[Path] = ()) -> None:
    """Refuse keys that no target takes.

    Args:
        nodes: a composed configuration as plain values, interpolations as they are written.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: naming the key, the closest ones, and which other choices take it.
    """
    for group in OPEN_GROUPS:
        node = nodes.get(group)
        if group == "trainer" and node:
            _check_node({"_target_": TRAINER, **node}, (group,), nodes, folders)
        elif node and not (group == "learner" and _is_no_learner(node)):
            _check_node(node, (group,), nodes, folders)


def _is_no_learner(node: Mapping[str, Any]) -> bool:
    """Whether a node names something else, which the check of what is imported says better than its keys would."""
    target = written_target(node)
    return target is not None and "class_names" not in target.parameters


def require_known(key: str, nodes: Mapping[str, Any], folders: Sequence[Path] = ()) -> None:
    """Refuse a key whose first word is none of the configuration's.

    Args:
        key: as it stands on the command line, without ``=``.
        nodes: the configuration without it.
        folders: configuration folders besides promptlab's own.

    Raises:
        ConfigError: with the closest keys, wherever they stand.
    """
    first = key.replace("/", ".").replace("@", ".").split(".")[0]
    known = (*Config.__dataclass_fields__, "experiment", "study", "hydra", "inner")
    if first in known and key != "inner":
        return
    meant = _meant(key, nodes, folders) or suggest(key, known[:-1])
    raise ConfigError(f"unknown key {key}{meant}; allowed are {', '.join(Config.__dataclass_fields__)}")


def optional_keys(keys: Sequence[str], chosen: Mapping[str, Sequence[str]], folders: Sequence[Path] = ()) -> list[str]:
    """Keys of a sweep over the choices of a group that some of them take and others don't.

    Args:
        keys: what the command line sets.
        chosen: group to those of its choices that the sweep goes through.
        folders: configuration folders besides promptlab's own.

    Example:
        >>> optional_keys(["learner.alpha", "learner.prompts"], {"learner": ["tip_adapter", "coop", "zero_shot"]})
        ['learner.alpha', 'learner.prompts']
        >>> optional_keys(["learner.alpha"], {"learner": ["coop", "zero_shot"]})
        []
    """
    found = []
    for key in keys:
        group, _, rest = key.partition(".")
        having = set(taken_by(group, rest.split("."), folders)) if rest and group in chosen else set()
        if having & set(chosen.get(group, ())) and set(chosen[group]) - having:
            found.append(key)
    return found


def without_untaken(cfg: DictConfig, keys: Sequence[str]) -> DictConfig:
    """A configuration without those of the keys that its own choices don't take.

    Args:
        cfg: a composed configuration; it stays as it is.
        keys: as :func:`optional_keys` gives them.
    """
    cfg = cfg.copy()
    for key in keys:
        group, *path = key.split(".")
        if annotation_of(OmegaConf.to_container(cfg[group]), path) is None:
            _drop(cfg[group], path)
    return cfg


def _drop(node: DictConfig, path: Sequence[str]) -> None:
    """Take a key away, and what is left empty above it."""
    first, *rest = path
    if first not in node:
        return
    if rest and OmegaConf.is_dict(node[first]):
        _drop(node[first], rest)
    if not rest or not node[first]:
        with open_dict(node):
            del node[first]


def takes(name: str, parameters: Collection[str], group: str) -> str:
    """What a target takes of a configuration, for messages.

    Example:
        >>> takes("ZeroShot", ["clip", "class_names", "template", "templates", "prompts"], "learner")
        'ZeroShot takes: templates, prompts'
    """
    return f"{name} takes: {', '.join(key for key in parameters if key not in GIVEN.get(group, ())) or 'no keys'}"


def _check_node(
    node: Mapping[str, Any], path: tuple[str, ...], nodes: Mapping[str, Any], folders: Sequence[Path]
) -> None:
    target = written_target(node)
    if target is None:
        return
    for key, value in node.items():
        if key in NO_ARGUMENTS or (len(path) == 1 and key in GIVEN.get(path[0], ())):  # the check says what gives it
            continue
        if key not in target.parameters:
            place = (*path, *_leaves([key], value))
            _refuse_inner(place, target.name, nodes, folders)
            raise ConfigError(
                f"unknown key {'.'.join(place)}{_meant_in(place, target.parameters, nodes, folders)}; "
                f"{takes(target.name, target.parameters, path[0])}"
            )
        place = (*path, key)
        if isinstance(value, Mapping) and "_target_" in value:
            _check_node(value, place, nodes, folders)


def _refuse_inner(place: Sequence[str], inner: str, nodes: Mapping[str, Any], folders: Sequence[Path]) -> None:
    """Refuse a learner inside another whose file sets what the one inside doesn't take.

    Raises:
        ConfigError: naming what is set, which nobody has typed.
    """
    around = nodes.get("learner", {}).get("_target_")
    for name, node in choices("learner", folders).items():
        if place[:2] == ("learner", "inner") and node.get("_target_") == around and _holds(node, place[1:]):
            raise ConfigError(
                f"learner={name} can't be put around {inner}: it sets {'.'.join(place)}, which {inner} doesn't take; "
                f"`promptlab list learners {name}` says what inner=NAME may be"
            )


def _holds(node: Any, path: Sequence[str]) -> bool:
    """Whether a file sets the key at a path."""
    return not path or (isinstance(node, Mapping) and path[0] in node and _holds(node[path[0]], path[1:]))


def _meant_in(
    place: tuple[str, ...], siblings: Collection[str], nodes: Mapping[str, Any], folders: Sequence[Path]
) -> str:
    """The closest key beside it, the same one in a part of it, who else has it, or the same one elsewhere."""
    close = suggest(place[-1], [key for key in siblings if key not in GIVEN.get(place[0], ())])
    parts = [path for path in _paths(nodes) if path.startswith(f"{place[0]}.") and _leaf(path) == place[-1]]
    below = f", did you mean {parts[0]}?" if len(parts) == 1 else ""
    return close or below or _elsewhere(place, folders) or _meant(".".join(place[1:]), nodes, (), {})


def _meant(key: str, nodes: Mapping[str, Any], folders: Sequence[Path], synonyms: Mapping[str, str] = SYNONYMS) -> str:
    """``, did you mean ...?`` with whole keys, or which learners have it; nothing where none comes close."""
    every, word = list(_paths(nodes)), synonyms.get(key, key)
    leaf = bare(word.rpartition(".")[2])
    found = [path for path in every if bare(path) == bare(word)]
    found = found or [path for path in every if bare(path).endswith(bare(word)) and bare(_leaf(path)) == leaf]
    if not found:
        having = taken_by("learner", word.split("."), folders) or taken_by("learner", ["optim", word], folders)
        if having:
            return f"; it is a key of learner={some_of(having, most=12)}"
        near = [path for path in every if not path.startswith("trainer.")]
        close = difflib.get_close_matches(word, [*(path for path in near if "." not in path), *map(_leaf, near)], n=1)
        found = [path for path in near if path in close] or [path for path in near if _leaf(path) in close]
    return f", did you mean {' or '.join(found[:2])}?" if found else ""


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def _leaves(path: Sequence[str], value: Any) -> list[str]:
    """The path down to the first leaf of what was set there."""
    leaves = list(path)
    while isinstance(value, Mapping) and value:
        key = next(iter(value))
        leaves.append(str(key))
        value = value[key]
    return leaves


def _elsewhere(place: Sequence[str], folders: Sequence[Path]) -> str:
    """Which other choices of the group take the key."""
    group, *path = place
    having = taken_by(group, path, folders) if group in OPEN_GROUPS and group != "trainer" else []
    return f"; it is a key of {group}={some_of(having, most=12)}" if having else ""


def _paths(nodes: Mapping[str, Any]) -> Iterator[str]:
    """Every key that the configuration could have, the run's own first."""
    yield from (key for key in Config.__dataclass_fields__ if key != "data")
    yield from (f"data.{key}" for key in DataConfig.__dataclass_fields__)
    for group in ("learner", "backbone", "protocol", "dataset", "logger"):
        yield from _paths_in(nodes.get(group), group, group)
    trainer = written(TRAINER)
    yield from (f"trainer.{key}" for key in (trainer.parameters if trainer else ()) if key not in GIVEN["trainer"])


def _paths_in(node: Any, place: str, group: str) -> Iterator[str]:
    target = written_target(node)
    for key in target.parameters if target is not None else ():
        if key not in GIVEN.get(group, ()):
            yield f"{place}.{key}"
            yield from _paths_in(node.get(key), f"{place}.{key}", group)

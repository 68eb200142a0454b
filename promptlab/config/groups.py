"""The choices of a configuration group as their files have them, read as text: no Hydra, nothing imported."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from promptlab.support.deprecation import current_path
from promptlab.support.errors import UsageError
from promptlab.support.paths import conf_dir
from promptlab.support.source import Written, written
from promptlab.support.words import printable

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A start reads up to a hundred files: where PyYAML has libyaml, in an eighth of the time."""
_PAPER = "paper: "
GIVEN = {
    "learner": ("clip", "class_names", "template", "has_images", "generator"),
    "dataset": ("root",),
    "protocol": ("dataset", "shots", "seed", "val"),
    "trainer": ("max_epochs", "min_epochs"),
}
"""What a run gives by itself, or the learner says: no key to suggest."""
NO_ARGUMENTS = ("about", "_target_", "_partial_", "_convert_", "defaults", "name")


def choices(group: str, folders: Sequence[Path] = ()) -> Mapping[str, dict[str, Any]]:
    """The files of a group by name, promptlab's own before those of plug-ins.

    Args:
        group: a folder of the configuration, e.g. ``learner``.
        folders: configuration folders besides promptlab's own; of two choices with one name the first wins.

    Raises:
        UsageError: if a file is no YAML.

    Example:
        >>> choices("learner")["coop"]["_target_"]
        'promptlab.learners.CoOp'
    """
    return _read(group, (conf_dir(), *folders))


@lru_cache
def _read(group: str, folders: tuple[Path, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for path in sorted((folder / group).glob("*.yaml")):
            node = _node(path)
            found.setdefault(path.stem, node if isinstance(node, dict) else {})
    return found


def _node(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        try:
            return yaml.load(text, Loader=_LOADER)
        except yaml.YAMLError:
            return yaml.safe_load(text)  # whose message says where
    except RecursionError:
        raise UsageError(f"{path} can't be read as YAML: it is nested too deeply") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read as YAML: {' '.join(str(error).split())}") from error


def about_by_comment(group: str, name: str, folders: Sequence[Path] = ()) -> dict[str, str]:
    """What a file says of itself in the comment at its head, where ``about`` would be no key: summary, maybe paper.

    Example:
        >>> about_by_comment("experiment", "coop_few_shot")["paper"]
        'https://arxiv.org/abs/2109.01134'
    """
    for folder in (conf_dir(), *folders):
        path = folder / group / f"{name}.yaml"
        if path.is_file():
            head = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
            lines = [line.lstrip("# ") for line in head if "@package" not in line]
            said = [line for line in lines if not line.startswith(_PAPER)]
            papers = [line.removeprefix(_PAPER) for line in lines if line.startswith(_PAPER)]
            return {"summary": " ".join(said)} | ({"paper": papers[0]} if papers else {})
    return {"summary": ""}


def written_target(node: Any) -> Written | None:
    """What the target of a node takes, where its source says it.

    Example:
        >>> found = written_target({"_target_": "promptlab.learners.ZeroShot"})
        >>> "templates" in found.parameters, written_target({"epochs": 5}) is None
        (True, True)
    """
    path = node.get("_target_") if isinstance(node, Mapping) else None
    return written(current_path(path)) if isinstance(path, str) else None


def annotation_of(node: Any, path: Sequence[str]) -> str | None:
    """How the argument at a path of keys is annotated, as it is written; None where there is no such argument.

    Example:
        >>> annotation_of(choices("learner")["coop"], ["optim", "epochs"])
        'int'
    """
    target = written_target(node)
    if target is None or path[0] not in target.parameters:
        return None
    return target.parameters[path[0]] if len(path) == 1 else annotation_of(node.get(path[0]), path[1:])


def taken_by(group: str, path: Sequence[str], folders: Sequence[Path] = ()) -> list[str]:
    """The choices of a group that have an argument.

    Example:
        >>> taken_by("learner", ["neighbours"])
        ['gda', 'transclip_fs', 'zlap', 'zlap_inductive']
    """
    return [name for name, node in choices(group, folders).items() if annotation_of(node, path) is not None]


def as_word(value: Any) -> str:
    """A value of YAML as a command line has it.

    Example:
        >>> as_word(None), as_word(False), as_word(0.5)
        ('null', 'false', '0.5')
    """
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def existing(folders: Sequence[str]) -> list[Path]:
    """Configuration folders that a command line names.

    Raises:
        UsageError: naming the first that isn't there.
    """
    missing = [folder for folder in folders if not os.path.isdir(folder)]
    if missing:
        raise UsageError(f"--config-dir {printable(missing[0])}: there is no such folder")
    return [Path(folder) for folder in folders]

"""``promptlab new learner NAME``: a plug-in to begin with, whose test passes as it stands."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from promptlab.support.errors import UsageError
from promptlab.support.paths import conf_dir

SUMMARY = "a plug-in of yours to begin with: its learner, configuration and test"
USAGE = "new learner NAME"
TEMPLATES = Path(__file__).with_name("templates")
"""A folder per kind; its files are those of a plug-in called :data:`STAND_IN`, with ``.txt`` behind their names."""
STAND_IN = "my_learner"


def main(arguments: Sequence[str]) -> int:
    """Write a new plug-in; returns the exit status."""
    options = _parser().parse_args(arguments)
    check_name(options.name)
    folder = Path(options.dir or options.name)
    files = files_of(options.kind, options.name)
    there = [str(folder / path) for path in files if os.path.lexists(folder / path)]
    if there:
        raise UsageError(f"{there[0]} is there already, and nothing is overwritten: choose another name, or --dir")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {folder / path}\n")
    sys.stdout.write(_next(options.name, folder))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab new", description="write a plug-in that runs as it stands, to be changed into a method of yours"
    )
    parser.add_argument("kind", choices=sorted(folder.name for folder in TEMPLATES.iterdir()), help="what it adds")
    parser.add_argument("name", metavar="NAME", help="of its package and of learner=NAME: small letters, digits and _")
    parser.add_argument("--dir", metavar="FOLDER", help="where it is written; a folder of its name if left out")
    return parser


def check_name(name: str) -> None:
    """Make sure that a package and a configuration may have this name.

    Raises:
        UsageError: naming what is wrong with it.
    """
    if not (name.isascii() and name.isidentifier() and name == name.lower() and name[0] != "_"):
        raise UsageError(f"{name!r} can't name a package: small letters, digits and _ are allowed, a letter first")
    if keyword.iskeyword(name) or name in ("tests", "conf"):
        raise UsageError(f"{name!r} can't name a package of yours: it has a meaning already")
    if (conf_dir() / "learner" / f"{name}.yaml").exists():
        raise UsageError(f"promptlab has a learner {name} already: choose another name")
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None:  # a mere folder of that name has no origin
        raise UsageError(f"Python finds a module {name} already, at {spec.origin}: choose another name")


def files_of(kind: str, name: str) -> dict[Path, str]:
    """The files of a new plug-in: relative path to text.

    Args:
        kind: a folder of the templates.
        name: of the package.

    Example:
        >>> sorted(map(str, files_of("learner", "tilted")))[-2:]
        ['tilted/__init__.py', 'tilted/conf/learner/tilted.yaml']
    """
    folder = TEMPLATES / kind
    templates = sorted(path for path in folder.rglob("*.txt"))
    return {
        Path(_renamed(str(path.relative_to(folder)), name)).with_suffix(""): _renamed(path.read_text("utf-8"), name)
        for path in templates
    }


def _renamed(text: str, name: str) -> str:
    """A text with the plug-in's name in place of the templates', in its three spellings."""
    for spelled in (str, _of_class, _of_distribution):
        text = text.replace(spelled(STAND_IN), spelled(name))
    return text


def _of_class(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _of_distribution(name: str) -> str:
    return name.replace("_", "-")


def _next(name: str, folder: Path) -> str:
    """What to do with it: commands that work as they stand."""
    return f"""\

next: cd {folder}
      pytest                                   # the tests that every learner passes
      promptlab check {name}:{_of_class(name)}
      promptlab learner={name} --config-dir {name}/conf
then change {name}/__init__.py; pip install -e . makes it known everywhere
"""

"""Plug-ins that are not installed: found in the working folder, and beside their configuration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

FLAGS = ("--config-dir", "-cd")


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """Let a verb be given configuration folders of plug-ins, as a run is.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_config_dir(parser)
        >>> parser.parse_args(["--config-dir", "a/conf", "--config-dir", "b/conf"]).config_dir
        ['a/conf', 'b/conf']
    """
    parser.add_argument(FLAGS[0], metavar="DIR", action="append", default=[], help="a plug-in's configuration folder")


def find_plugins(arguments: Sequence[str]) -> None:
    """Let Python find what isn't installed: in the working folder, and beside the configuration that a command names.

    ``--config-dir my_learner/conf`` makes ``my_learner`` importable where it is a package, else what is in it. These
    places come last in ``sys.path``, so that nothing installed is hidden by what lies there.

    Args:
        arguments: of the command.
    """
    folders = [value for flag, value in pairwise(arguments) if flag in FLAGS]
    folders += [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{FLAGS[0]}=")]
    places = [Path.cwd()]
    for folder in folders:
        beside = Path(folder).absolute().parent
        places.append(beside.parent if (beside / "__init__.py").is_file() else beside)
    sys.path += [place for place in dict.fromkeys(map(str, places)) if place not in sys.path]

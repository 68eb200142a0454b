"""Plug-ins that are not installed: their package is found beside their configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

FLAGS = ("--config-dir", "-cd")


def find_plugins(arguments: Sequence[str]) -> None:
    """Let Python find the packages whose configuration folders a command names: ``--config-dir my_learner/conf``.

    Their place comes last in ``sys.path``, so that nothing installed is hidden by what lies beside them.

    Args:
        arguments: of the command.
    """
    folders = [value for flag, value in pairwise(arguments) if flag in FLAGS]
    folders += [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{FLAGS[0]}=")]
    for folder in folders:
        package = Path(folder).absolute().parent
        if (package / "__init__.py").is_file() and str(package.parent) not in sys.path:
            sys.path.append(str(package.parent))

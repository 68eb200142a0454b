"""The consoles that people read: what is printed stands there as it is, brackets are no markup, paths aren't broken."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from promptlab.support.words import printable

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is.

    Args:
        stderr: for what isn't the answer: progress, warnings, errors.

    Example:
        >>> console().print("results[1]/coop")
        results[1]/coop
    """
    from promptlab.support.plain_console import PlainConsole  # rich: what prints nothing doesn't wait for it

    return PlainConsole(stderr=stderr)


def say(text: str, *, style: str = "", end: str = "\n", stderr: bool = False) -> None:
    """Print a line that isn't broken, so that paths and commands can be copied; what is no UTF-8 is spelled out.

    Example:
        >>> say("result in results/[a]")
        result in results/[a]
    """
    console(stderr=stderr).print(printable(text), style=style, end=end, soft_wrap=True)


def say_json(document: object) -> None:
    r"""Print one JSON document, what ``--json`` gives instead of lines and tables; letters beyond ASCII are escaped.

    Args:
        document: of plain values.

    Example:
        >>> say_json({"learner": "CoOp", "classes": ["Bär"]})
        {
         "learner": "CoOp",
         "classes": [
          "B\u00e4r"
         ]
        }
    """
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def is_live(shown_on: Console) -> bool:
    """Whether what stands on a console can be drawn anew: on a terminal that isn't dumb, or in a notebook with widgets.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> is_live(Console(file=io.StringIO()))
        False
    """
    if shown_on.is_jupyter:  # rich draws with widgets there, and warns at every bar without them
        return find_spec("ipywidgets") is not None
    return shown_on.is_terminal and not shown_on.is_dumb_terminal

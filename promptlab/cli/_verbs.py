"""The verbs, and the help that is made of what they say of themselves."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from promptlab import cli
from promptlab.support.errors import UsageError
from promptlab.support.words import suggest

DEFAULT = "run"
"""The verb of a command line that names none."""
INTRODUCTION = "promptlab adapts a frozen CLIP with a handful of labelled images by learning its prompts."
EXPLAINED = """\
examples:
  promptlab                                      CoOp beside zero-shot on the embedded demo, base and new classes
  promptlab learner=zero_shot dataset=demo_textures protocol=few_shot
  promptlab data.root=DATA dataset=eurosat protocol=few_shot shots=4
  promptlab -m learner=coop dataset=eurosat protocol=base_to_new shots=16 seed=1,2,3
  promptlab learner=ship inner=tip_adapter_f
  promptlab experiment=coop_base_to_new dataset=caltech101

main keys:
  backbone, dataset, protocol, learner           one of `promptlab list ...`; their own keys as learner.n_ctx=8
  shots=16   seed=1   views=16|0|online          training images a class, random streams, views of each image
  val=few|shots|full|none  select=last|val       validation images, and whether they choose the epoch
  val=test  select=test                          as some papers chose: on test images, and marked so
  results=results   force=false                  where results go; whether finished runs are repeated
  experiment=NAME                                a recipe; promptlab --cfg job shows the composed configuration
  -m study=NAME                                  a whole study; promptlab list studies

exit status:
  0 done   1 failed   2 a command or configuration that can't be understood   130 interrupted

environment:
  PROMPTLAB_CACHE=FOLDER   where features are kept       PROMPTLAB_LOG=debug   shows where an error was raised
"""
_COLUMN = 49
"""Where summaries begin, wide enough for the widest usage."""


class Verb(Protocol):
    """What a module has to say to be a verb.

    Attributes:
        SUMMARY: what it does, in a line of ``promptlab --help``.
        USAGE: how it is called, without ``promptlab``.
    """

    SUMMARY: str
    USAGE: str

    def main(self, arguments: Sequence[str]) -> int:
        """Do it; returns the exit status, and lets errors through to :func:`promptlab.cli.main.main`."""
        ...


def names() -> list[str]:
    """Names of the verbs: :data:`DEFAULT`, then the others in alphabetical order.

    Example:
        >>> names()[:3]
        ['run', 'adapt', 'add-class']
    """
    modules = {module.name for module in pkgutil.iter_modules(cli.__path__)} - {"main", DEFAULT}
    return [DEFAULT, *sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))]


def named(name: str) -> Verb:
    """A verb by name.

    Raises:
        UsageError: if there is none of that name; with the closest.
    """
    if name not in names():
        raise UsageError(f"unknown command {name!r}{suggest(name, names())}; see promptlab --help")
    return cast(Verb, import_module(f"{cli.__name__}.{name.replace('-', '_')}"))


def help_text() -> str:
    """What ``promptlab --help`` shows."""
    lines = [f"promptlab {verb.USAGE}".ljust(_COLUMN - 8) + f" {verb.SUMMARY}" for verb in map(named, names())]
    usage = "\n".join(f"{'' if place else 'usage:':<7}{line}" for place, line in enumerate(lines))
    return f"{INTRODUCTION}\n\n{usage}\n       promptlab --help | --version\n\n{EXPLAINED}"

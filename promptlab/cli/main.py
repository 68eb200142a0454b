"""The command line: verbs are told apart here, without importing torch, Hydra or Lightning."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from promptlab.support.errors import is_expected
from promptlab.support.version import __version__

HELP = """\
promptlab adapts a frozen CLIP with a handful of labelled images by learning its prompts.

usage: promptlab [run] [-m] [KEY=VALUE ...]      run an experiment; with -m a sweep over comma-separated values
       promptlab list learners|datasets|protocols|backbones
       promptlab cache list|prune|clear          the features kept on this machine
       promptlab data check|prepare NAME         what of a dataset is there; downloads it, or says how to get it
       promptlab interpret DIR                   the words that learned vectors are closest to
       promptlab synthesize DIR --classes a,b    features made up for class names, by a SHIP run
       promptlab bench coop|cocoop|ship|...      speed and memory beside the research code's way, on this machine
       promptlab check MODULE:CLASS              the tests that every learner passes, for a learner of yours
       promptlab --help | --version

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
  val=few|full|none   select=last|val            validation images, and whether they choose the epoch
  results=results   force=false                  where results go; whether finished runs are repeated
  experiment=NAME                                a recipe; promptlab --cfg job shows the composed configuration
"""

VERBS = {
    "bench": ("bench", "bench"),
    "cache": ("cache", "cache"),
    "check": ("check", "check"),
    "data": ("data", "data"),
    "interpret": ("interpret", "interpret"),
    "list": ("list", "show"),
    "synthesize": ("synthesize", "synthesize"),
}
"""Verb to the module and the function that it calls with the arguments that follow."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments; those of the process if None.

    Returns:
        The exit status: 0, 1 for a failed run, 2 for a command that can't be understood.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    verb = arguments[0] if arguments else "run"
    if verb in ("--help", "-h", "help"):
        sys.stdout.write(HELP)
        return 0
    if verb in ("--version", "-V"):
        sys.stdout.write(f"promptlab {__version__}\n")
        return 0
    if verb in VERBS:
        module, function = VERBS[verb]
        status: int = getattr(import_module(f"promptlab.cli.{module}"), function)(arguments[1:])
        return status
    if verb.isidentifier() and verb != "run":
        return _unknown(verb)
    from promptlab.jobs.launch import launch

    try:
        return launch(arguments[1:] if verb == "run" else arguments)
    except KeyboardInterrupt:
        sys.stderr.write("promptlab: interrupted\n")
        return 130
    except Exception as error:
        if not is_expected(error):
            raise
        sys.stderr.write(f"promptlab: {error}\n")
        return getattr(error, "exit_status", 1)


def _unknown(verb: str) -> int:
    import difflib

    close = difflib.get_close_matches(verb, ("run", *VERBS), n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    sys.stderr.write(f"promptlab: unknown command {verb!r}{hint}; see promptlab --help\n")
    return 2

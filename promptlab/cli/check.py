"""``promptlab check my_pkg:MyLearner``: the contract's tests, what failed, and why it matters."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.padding import Padding

USAGE = """\
usage: promptlab check MODULE:CLASS [KEY=VALUE ...]

Runs the tests that every learner passes. KEY=VALUE are the learner's hyper-parameters; a value MODULE:CLASS is a class.
  promptlab check my_pkg:MyLearner
  promptlab check promptlab.learners:SHIP inner=promptlab.learners:CoOp
"""


def check(arguments: Sequence[str]) -> int:
    """Check a learner.

    Returns:
        0 if it passes, 1 if a test failed, 2 if the arguments name no learner.
    """
    if not arguments or arguments[0].startswith("-"):
        (sys.stdout if arguments else sys.stderr).write(USAGE)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    from promptlab.learners.base.learner import PromptLearner

    sys.path.insert(0, str(Path.cwd()))  # a console script doesn't look in the folder it is called from
    try:
        learner = _named(arguments[0])
        given = dict(_keyword(argument) for argument in arguments[1:])
    except ValueError as error:
        sys.stderr.write(f"promptlab: {error}\n")
        return 2
    if not (inspect.isclass(learner) and issubclass(learner, PromptLearner)):
        sys.stderr.write(f"promptlab: {arguments[0]} is not a class derived from promptlab.PromptLearner\n")
        return 2
    return _run(learner, given)


def _run(learner: type, given: dict[str, Any]) -> int:
    from promptlab.learners.base.contract import LearnerContract

    console = Console()
    contract = type("Check", (LearnerContract,), {"learner": learner, "arguments": given})()
    problem = _problem(contract.make)
    if problem is not None:
        sys.stderr.write(f"promptlab: {learner.__name__} can't be built with {given or 'no arguments'}: {problem}\n")
        return 2
    tests = [name for name in vars(LearnerContract) if name.startswith("test_")]
    failed = 0
    for name in tests:
        test = getattr(contract, name)
        problem = _problem(test)
        state = "[green]ok[/green]    " if problem is None else "[red]failed[/red]"
        console.print(f"{state} {name.removeprefix('test_').replace('_', ' ')}", highlight=False)
        if problem is not None:
            failed += 1
            console.print(Padding(problem, (0, 0, 0, 7)), markup=False, highlight=False)
            console.print(Padding(inspect.getdoc(test) or "", (0, 0, 0, 7)), style="dim", markup=False, highlight=False)
    console.print(f"{len(tests) - failed} of {len(tests)} passed")
    return 1 if failed else 0


def _problem(test: Callable[[], object]) -> str | None:
    try:
        test()
    except AssertionError as error:
        return str(error) or "an assertion failed"
    except Exception as error:  # a learner may raise anything
        return f"{type(error).__name__}: {error}"
    return None


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"{name!r}: a learner is named as MODULE:CLASS, for example my_pkg:MyLearner")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"{name}: {error}") from error
    except Exception as error:  # a module may raise anything
        raise ValueError(f"{name}: importing {module} raised {type(error).__name__}: {error}") from error
    if not hasattr(found, attribute):
        raise ValueError(f"{name}: module {module} has no {attribute}")
    return getattr(found, attribute)


def _keyword(argument: str) -> tuple[str, Any]:
    key, equals, value = argument.partition("=")
    if not equals:
        raise ValueError(f"{argument!r}: a hyper-parameter is given as KEY=VALUE")
    module, colon, attribute = value.partition(":")
    is_class = colon and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))
    return key, _named(value) if is_class else yaml.safe_load(value)

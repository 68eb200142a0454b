"""``promptlab check MODULE:NAME``: the tests of a contract for what is yours: what failed, and why it matters."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from promptlab.cli._plugins import find_plugins
from promptlab.support.errors import UsageError

SUMMARY = "the tests that every learner, dataset or protocol passes, for yours"
USAGE = "check MODULE:NAME"
HELP = """\
usage: promptlab check MODULE:NAME [KEY=VALUE ...] [--json]

Runs the tests that every learner, dataset or protocol passes, on a class derived from promptlab.PromptLearner, a
function that opens a promptlab.data.Dataset, or one that makes a promptlab.protocols.Task of it.
KEY=VALUE are its arguments; a value MODULE:NAME is a class or function. --json prints one JSON document.

  promptlab check my_pkg:MyLearner
  promptlab check promptlab.learners:SHIP inner=promptlab.learners:CoOp
  promptlab check my_pkg:read_mine path=PICTURES
  promptlab check promptlab.protocols:base_to_new joint=true

exit status: 0 if it passes, 1 if a test failed, 2 if it can't be made at all
"""


def main(arguments: Sequence[str]) -> int:
    """Check a learner, dataset or protocol.

    Returns:
        0 if it passes, 1 if a test failed.

    Raises:
        UsageError: if the arguments name nothing that can be checked, or it can't be made with them.
    """
    if not arguments or arguments[0].startswith("-"):
        (sys.stdout if arguments else sys.stderr).write(HELP)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    as_json = "--json" in arguments
    arguments = [word for word in arguments if word != "--json"]
    find_plugins(arguments)
    found = _named(arguments[0])
    given = dict(_keyword(argument) for argument in arguments[1:])
    return _run(_contract(arguments[0], found, given), as_json=as_json)


def _contract(name: str, found: Any, given: dict[str, Any]) -> object:
    """The contract of what was named, once it could be made.

    Raises:
        UsageError: if it is nothing that has a contract, or can't be made.
    """
    if inspect.isclass(found):
        return _of_learner(name, found, given)
    if callable(found) and {"dataset", "shots", "seed"} <= inspect.signature(found).parameters.keys():
        from promptlab.protocols.contract import ProtocolContract

        protocol = type("Check", (ProtocolContract,), {"protocol": staticmethod(found), "arguments": given})()
        _try(protocol.task, f"{name} makes no task of a dataset", given)
        return protocol
    return _of_dataset(name, found, given)


def _of_learner(name: str, found: type, given: dict[str, Any]) -> object:
    from promptlab.learners.base.contract import LearnerContract
    from promptlab.learners.base.learner import PromptLearner

    if not issubclass(found, PromptLearner):
        raise UsageError(f"{name} is not a class derived from promptlab.PromptLearner")
    contract = type("Check", (LearnerContract,), {"learner": found, "arguments": given})()
    _try(contract.make, f"{found.__name__} can't be built", given)
    return contract


def _of_dataset(name: str, found: Any, given: dict[str, Any]) -> object:
    from promptlab.data.contract import DatasetContract
    from promptlab.data.items import Dataset

    if not callable(found) and not isinstance(found, Dataset):
        raise UsageError(f"{name} is of type {type(found).__name__}: a learner's class, or a function that opens a "
                         "dataset or makes a task, is needed")  # fmt: skip
    opens: Callable[..., Any] = found if callable(found) else lambda: found
    contract = type("Check", (DatasetContract,), {"dataset": partial(opens, **given)})()
    opened = _try(contract.open, f"{name} can't be opened", given)
    if not isinstance(opened, Dataset):
        raise UsageError(f"{name} gives what is of type {type(opened).__name__}: a promptlab.data.Dataset is needed")
    return contract


def _try(make: Callable[[], object], problem: str, given: Mapping[str, Any]) -> object:
    """What ``make`` makes.

    Raises:
        UsageError: saying why it can't be made.
    """
    try:
        return make()
    except Exception as error:  # what isn't ours may raise anything
        raise UsageError(f"{problem} with {given or 'no arguments'}: {_words(error)}") from error


def _run(contract: object, *, as_json: bool) -> int:
    """Run every test, printing as it goes or all in one document; 1 if one failed."""
    from rich.padding import Padding
    from rich.text import Text

    from promptlab.support.console import console, say, say_json

    failed = 0
    tests = [name for kind in type(contract).__mro__ for name in vars(kind) if name.startswith("test_")]
    results = []
    for name in tests:
        test = getattr(contract, name)
        problem = _problem(test)
        said = name.removeprefix("test_").replace("_", " ")
        results.append({"test": said, "passed": problem is None, "problem": problem, "why": inspect.getdoc(test)})
        if as_json:
            failed += problem is not None
            continue
        say("ok     " if problem is None else "failed ", style="green" if problem is None else "red", end="")
        say(said)
        if problem is not None:
            failed += 1
            console().print(Padding(Text(problem), (0, 0, 0, 7)))
            console().print(Padding(Text(inspect.getdoc(test) or "", style="dim"), (0, 0, 0, 7)))
    if as_json:
        say_json({"passed": not failed, "tests": results})
    else:
        say(f"{len(tests) - failed} of {len(tests)} passed")
    return 1 if failed else 0


def _problem(test: Callable[[], object]) -> str | None:
    try:
        test()
    except AssertionError as error:
        return str(error) or "an assertion failed"
    except Exception as error:  # what isn't ours may raise anything
        return _words(error)
    return None


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"


def _named(name: str) -> Any:
    """What ``MODULE:NAME`` names.

    Raises:
        UsageError: if there is no such thing.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        raise UsageError(f"{name!r}: what to check is named as MODULE:NAME, for example my_pkg:MyLearner")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{name}: {error}") from error
    except Exception as error:  # a module may raise anything
        raise UsageError(f"{name}: importing {module} raised {_words(error)}") from error
    if not hasattr(found, attribute):
        raise UsageError(f"{name}: module {module} has no {attribute}")
    return getattr(found, attribute)


def _keyword(argument: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = argument.partition("=")
    if not equals:
        raise UsageError(f"{argument!r}: an argument is given as KEY=VALUE")
    module, colon, attribute = value.partition(":")
    is_name = colon and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))
    return key, _named(value) if is_name else yaml.safe_load(value)

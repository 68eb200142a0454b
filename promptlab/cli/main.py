"""Where a command begins and ends: the verb is told apart here, and no verb catches what it can't mend."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from promptlab.cli import _verbs
from promptlab.support.characters import never_fail_to_print
from promptlab.support.distribution import check_installed
from promptlab.support.errors import PromptlabError, UsageError, is_expected
from promptlab.support.interruption import INTERRUPTED, MESSAGE, end_with, interruptible, was_asked_to_end
from promptlab.support.version import __version__
from promptlab.support.words import printable, suggest

FAILED = 1
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    An error that carries a message for the user ends in one line; anything else is a defect and shows its traceback.
    ``PROMPTLAB_LOG=debug`` shows every traceback.

    Args:
        argv: arguments; those of the process if None.

    Returns:
        The exit status: 0, 1 for a failed run, 2 for a command or configuration that can't be understood, 130 for an
        interruption (Ctrl-C or SIGTERM).
    """
    never_fail_to_print()
    with interruptible():
        status = _status(list(sys.argv[1:] if argv is None else argv))
    if argv is None:  # the process ends with this
        end_with(status)
    return status


def _status(arguments: Sequence[str]) -> int:
    """Run a command to its exit status, whatever it ends in."""
    try:
        status = _run(arguments)
        sys.stdout.flush()  # a reader that has gone shows here, not while Python shuts down
        return status
    except BrokenPipeError:
        return _without_reader()
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit:
        if was_asked_to_end():  # what some libraries make of an interrupt
            return _interrupted()
        raise
    except Exception as error:
        if was_asked_to_end():
            return _interrupted()
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("promptlab"):
            return _said(_not_installed(error))
        if not is_expected(error):
            raise
        return _said(error)


def _run(arguments: Sequence[str]) -> int:
    """Find the verb and hand over: the first word, or that of a run where it is a flag or a ``KEY=VALUE``."""
    check_installed()  # a namesake may have put its own `__init__.py` in place of the one that asks this
    first = arguments[0] if arguments else _verbs.DEFAULT
    if first in ("--help", "-h", "help"):
        sys.stdout.write(_verbs.help_text())
        return 0
    if first in ("--version", "-V"):
        sys.stdout.write(f"promptlab {__version__}\n")
        return 0
    level = os.environ.get("PROMPTLAB_LOG", "")
    if level and level.lower() not in LOG_LEVELS:
        known = ", ".join(LOG_LEVELS)
        raise UsageError(f"PROMPTLAB_LOG={level}: no such level{suggest(level, LOG_LEVELS)}; allowed are {known}")
    if first.replace("-", "_").isidentifier() and not first.startswith("-"):
        return _verbs.named(first).main(arguments[1:])
    return _verbs.named(_verbs.DEFAULT).main(arguments)


def _said(error: Exception) -> int:
    """Say what went wrong, and answer with the exit status."""
    if os.environ.get("PROMPTLAB_LOG", "").upper() == "DEBUG":
        traceback.print_exception(error)
    sys.stderr.write(f"promptlab: {printable(str(error)) or type(error).__name__}\n")
    return error.exit_status if isinstance(error, PromptlabError) else FAILED


def _not_installed(error: ModuleNotFoundError) -> UsageError:
    """What to do about a package that isn't there, which a choice of the user's needs."""
    package = (error.name or "").partition(".")[0]
    return UsageError(f"the package {package} is not installed, and what was asked for needs it: pip install {package}")


def _interrupted() -> int:
    sys.stderr.write(MESSAGE)
    return INTERRUPTED


def _without_reader() -> int:
    """What reads the output has gone, as ``head`` does: end quietly, and let Python's own flush write to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED

"""``promptlab [run]``: an experiment, or with ``-m`` a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.cli._plugins import find_plugins

SUMMARY = "run an experiment; with -m a sweep over comma-separated values"
USAGE = "[run] [-m] [KEY=VALUE ...]"


def main(arguments: Sequence[str]) -> int:
    """Run; returns the exit status."""
    from promptlab.jobs.launch import launch

    find_plugins(arguments)
    return launch(arguments)

"""``promptlab [run]``: an experiment, or with ``-m`` a sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from promptlab.cli._plugins import find_plugins
from promptlab.cli._verbs import EXPLAINED

SUMMARY = "run an experiment; with -m a sweep over comma-separated values"
USAGE = "[run] [-m] [KEY=VALUE ...]"
HELP = f"""\
usage: promptlab {USAGE} [--json] [--config-dir DIR]

{EXPLAINED}
flags:
  -m                                             a sweep: values with commas are run one after the other
  --json                                         one JSON document in place of tables: folders and whole Results
  --skip-missing                                 a sweep leaves out datasets that aren't on this disk
  --config-dir DIR                               configurations of a plug-in
  --cfg job                                      show the composed configuration, and run nothing
"""


def main(arguments: Sequence[str]) -> int:
    """Run; returns the exit status."""
    if any(argument in ("--help", "-h") for argument in arguments):
        sys.stdout.write(HELP)
        return 0
    from promptlab.jobs.launch import launch

    find_plugins(arguments)
    return launch([word for word in arguments if word != "--json"], as_json="--json" in arguments)

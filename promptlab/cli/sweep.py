"""``promptlab sweep resume``: go on with a sweep without retyping its command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SUMMARY = "go on with a sweep: what is missing, interrupted or failed"
USAGE = "sweep resume [DIR]"


def main(arguments: Sequence[str]) -> int:
    """Go on; returns the exit status."""
    options = _parser().parse_intermixed_args(arguments)
    words = list(options.words)
    place = words.pop(0) if words and "=" not in words[0] else "results"
    from promptlab.cli._plugins import find_plugins
    from promptlab.jobs.resume import take_up

    folder, command = take_up(place, words)
    find_plugins(command)
    from promptlab.jobs.launch import launch

    return launch(command, as_json=options.json, into=folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab sweep",
        description="Run what a sweep lacks, and end with the table of the whole. It may be at work elsewhere as well: "
        "no run is computed twice.",
    )
    parser.add_argument("action", choices=["resume"])
    parser.add_argument(
        "words",
        nargs="*",
        metavar="DIR [hydra/KEY=VALUE ...]",
        help="the sweep's folder, or a folder of results, whose last sweep is meant (results); then how its runs are "
        "launched, if not as before: hydra/launcher=joblib hydra.launcher.n_jobs=4",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the table")
    return parser

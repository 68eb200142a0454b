"""``promptlab report``: the results of folders as one table, for the terminal or for a paper."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from promptlab.support.errors import UsageError

SUMMARY = "results as a table, CSV or LaTeX"
USAGE = "report [DIR ...]"
FORMATS = {
    "table": "averaged over seeds, for the terminal",
    "markdown": "the same for a page",
    "latex": "the same for a paper, with booktabs",
    "csv": "the same, a number to a cell",
    "runs": "CSV of every run and evaluation",
}


def main(arguments: Sequence[str]) -> int:
    """Print a table; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="promptlab report",
        description="\n".join(f"{name:<10}{what}" for name, what in FORMATS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", metavar="DIR", default=["results"], help="where results lie (results)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="table unless given")
    options = parser.parse_args(arguments)
    from promptlab.results.store import load_results

    missing = [folder for folder in options.folders if not Path(folder).is_dir()]
    if missing:
        raise UsageError(f"there is no folder {missing[0]}")
    results = [result for folder in options.folders for result in load_results(folder)]
    if not results:
        raise UsageError(f"there are no results in {', '.join(options.folders)}")
    if options.format == "table":
        from promptlab.report.table import sweep_table
        from promptlab.support.console import console

        console().print(sweep_table(results))
        return 0
    from promptlab.report.markup import latex, markdown
    from promptlab.report.spreadsheet import record_csv, sweep_csv
    from promptlab.report.table import sweep_tables

    if options.format in ("markdown", "latex"):
        write = markdown if options.format == "markdown" else latex
        sys.stdout.write("\n".join(write(table) for table in sweep_tables(results)))
    else:
        sys.stdout.write((sweep_csv if options.format == "csv" else record_csv)(results))
    return 0

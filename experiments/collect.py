"""Turn a folder of Results into one CSV: a row per run and evaluation, with what it was and where it came from.

A score that there isn't is an empty cell.
"""

import sys
from pathlib import Path

from promptlab import load_results
from promptlab.report.spreadsheet import record_csv


def main() -> None:
    """``collect.py RESULTS OUT.csv``."""
    results, out = sys.argv[1:]
    Path(out).write_text(record_csv(load_results(results)), encoding="utf-8", newline="")


if __name__ == "__main__":
    main()

"""Print a folder of Results as promptlab's own tables, with the seconds that a run of each learner took."""

import sys
from collections import defaultdict
from statistics import mean

from rich.console import Console

from promptlab import load_results
from promptlab.report.table import sweep_table


def main() -> None:
    """``table.py RESULTS``."""
    results = load_results(sys.argv[1])
    Console(width=110).print(sweep_table(results))
    seconds = defaultdict(list)
    for run in results:
        seconds[run.protocol, run.learner].append(run.seconds.fit + run.seconds.evaluate)
    print("\nseconds a run for fit and evaluation, features being cached (mean over seeds):")
    for (protocol, learner), found in sorted(seconds.items()):
        print(f"  {protocol:24} {learner:22} {mean(found):7.1f}")


if __name__ == "__main__":
    main()

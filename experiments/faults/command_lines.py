"""Generated command lines, and what each was answered by: a message, a run, or a traceback (which is a defect).

    uv run python -m experiments.faults.command_lines --seed 1 --lines 1000 [--show message accepted traceback]

Every line goes through ``promptlab`` as it is typed, in an empty folder; where a run would begin, the line counts as
accepted, and nothing is loaded. What was accepted is to be looked at: nonsense among it is a defect too, as is anything
left in the folder, and a status other than 2 (1 for what a file or a folder holds).
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.helpers.asked import KINDS, answer
from tests.helpers.command_lines import command_lines, verb_lines


def main() -> int:
    """Generate, ask, count; 1 if a line showed a defect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--show", nargs="*", default=KINDS[2:], choices=KINDS)
    parser.add_argument("--out", type=Path, help="a CSV that gets a row")
    options = parser.parse_args()
    counts: Counter[str] = Counter()

    @seed(options.seed)
    @settings(max_examples=options.lines, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(command_lines() | verb_lines())
    def ask(line: list[str]) -> None:
        kind, words = answer(line)
        counts[kind] += 1
        if kind in options.show:
            print(f"{kind}: {[word[:80] for word in line]!a}\n    {ascii(words) if kind != 'traceback' else words}")

    ask()
    print(f"seed {options.seed}: " + ", ".join(f"{counts[kind]} {kind}" for kind in KINDS))
    if options.out:
        new = not options.out.exists()
        with options.out.open("a", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            if new:
                rows.writerow(("seed", "lines", *KINDS))
            rows.writerow((options.seed, counts.total(), *(counts[kind] for kind in KINDS)))
    return int(any(counts[kind] for kind in KINDS[2:]))


if __name__ == "__main__":
    raise SystemExit(main())

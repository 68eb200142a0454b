"""Generated command lines, and what each was answered by: a message, a run, or a traceback (which is a defect).

    uv run python -m experiments.faults.command_lines --seed 1 --lines 3000 [--accepted]

Nothing is loaded or run: every line is composed and checked as ``promptlab`` does before it starts. What was accepted
is listed with ``--accepted``, to be looked at: nonsense among it is a defect too.
"""

from __future__ import annotations

import argparse
import traceback
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from promptlab.config.check import check
from promptlab.config.compose import composed
from promptlab.config.overrides import lists_of, opened
from promptlab.support.errors import UsageError
from tests.helpers.command_lines import command_lines


def answer(line: list[str]) -> tuple[str, str]:
    """How a line is answered, and with which words."""
    try:
        for overrides in lists_of([opened(override) for override in line], sweeps=False):
            check(composed(overrides))
    except UsageError as error:
        return "message", str(error)
    except Exception:
        return "traceback", traceback.format_exc(limit=-3)
    return "accepted", ""


def main() -> int:
    """Generate, ask, count; 1 if a line ended in a traceback."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--show", nargs="*", default=["traceback"], help="message, accepted, traceback")
    options = parser.parse_args()
    counts: Counter[str] = Counter()

    @seed(options.seed)
    @settings(max_examples=options.lines, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(command_lines())
    def ask(line: list[str]) -> None:
        kind, words = answer(line)
        counts[kind] += 1
        if kind in options.show:
            print(f"{kind}: {line!r}\n    {words}" if words else f"{kind}: {line!r}")

    ask()
    print(f"seed {options.seed}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return 1 if counts["traceback"] else 0


if __name__ == "__main__":
    raise SystemExit(main())

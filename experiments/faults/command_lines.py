"""Generated command lines, and what each was answered by: a message, a run, or a traceback (which is a defect).

    uv run python -m experiments.faults.command_lines --seed 1 --lines 1000 [--show message accepted traceback]

Every line goes through ``promptlab`` as it is typed, in an empty folder; where a run would begin, the line counts as
accepted, and nothing is loaded. What was accepted is to be looked at: nonsense among it is a defect too, as is anything
left in the folder, and a status other than 2 (1 for what a file or a folder holds).
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings

from promptlab.cli.main import main as promptlab
from tests.helpers.command_lines import command_lines, verb_lines

KINDS = ("message", "accepted", "traceback", "files", "status")
"""What a line may be answered by; the last three are defects."""


def answer(line: Sequence[str]) -> tuple[str, str]:
    """How a line is answered, and with which words."""
    said, status = io.StringIO(), None
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(said), redirect_stderr(said):
        started = patch("promptlab.jobs.launch._under_hydra", side_effect=lambda *_, **__: None)
        with started as begun, patch.dict(os.environ, {"PROMPTLAB_CACHE": str(Path(folder).parent / "no-cache")}):
            try:
                status = promptlab(list(line))
            except SystemExit as error:  # argparse
                status = error.code if isinstance(error.code, int) else 1
            except BaseException:
                return "traceback", traceback.format_exc(limit=-4)
        left = [path.name for path in Path(folder).rglob("*")]
    words = " ".join(said.getvalue().split())
    if "Traceback" in words:
        return "traceback", words
    if left:
        return "files", f"{left[:3]} {words[:200]}"
    if status == 0:
        return "accepted", "" if begun.called else words[:80]
    if status not in (1, 2) or not words:
        return "status", f"{status} {words[:300]}"
    return "message", f"{status} {words[:300]}"


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

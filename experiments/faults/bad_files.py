"""Generated files that are not what they should be, and how the command that reads them ended.

    uv run python -m experiments.faults.bad_files --seed 1 --files 25 [--kinds table card]

A traceback is a defect, as is anything that is left behind by a command that failed, or code that a file ran.
"""

from __future__ import annotations

import argparse
import csv
import io
import traceback
from collections import Counter
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, seed, settings

from promptlab.cli.main import main as promptlab
from tests.helpers.bad_files import KINDS

ENDS = ("message", "accepted", "traceback", "left")


def answer(kind: str, content: bytes) -> tuple[str, str]:
    """How the command that reads such a file ended, and its words."""
    name, _, command = KINDS[kind]
    said = io.StringIO()
    with TemporaryDirectory() as folder, TemporaryDirectory() as empty:
        file, results = Path(folder, "in", name), Path(folder, "results")
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        line = command(file)
        with chdir(empty), redirect_stdout(said), redirect_stderr(said):
            try:
                status = promptlab([*line, f"results={results}"] if "=" in line[0] else line)
            except BaseException:
                return "traceback", traceback.format_exc(limit=-4)
        if list(Path(empty).iterdir()) or (status and results.exists()):
            return "left", said.getvalue()
    return ("message" if status else "accepted"), said.getvalue()


def main() -> int:
    """Generate, ask, count; 1 if a file showed a defect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=25, help="of each kind")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--out", type=Path, help="a CSV")
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in options.kinds}
    for kind in options.kinds:

        @seed(options.seed)
        @settings(max_examples=options.files, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(KINDS[kind][1])
        def ask(content: bytes) -> None:
            end, words = answer(kind, content)  # noqa: B023 - asked before the next kind
            counts[kind][end] += 1  # noqa: B023
            if end in ENDS[2:]:
                print(f"{end}: {content[:300]!a}\n{words}")

        ask()
        print(f"{kind}: " + ", ".join(f"{counts[kind][end]} {end}" for end in ENDS), flush=True)
    if options.out:
        with options.out.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("kind", "seed", "files", *ENDS))
            for kind, found in counts.items():
                rows.writerow((kind, options.seed, found.total(), *(found[end] for end in ENDS)))
    return int(any(found[end] for found in counts.values() for end in ENDS[2:]))


if __name__ == "__main__":
    raise SystemExit(main())

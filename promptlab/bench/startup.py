"""How long commands and imports take, each in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys

from promptlab.bench.report import Figure, Report
from promptlab.bench.timing import interleave

COMMANDS: dict[str, list[str]] = {
    "python -c pass": ["-c", "pass"],
    "promptlab --help": ["-m", "promptlab", "--help"],
    "promptlab list learners": ["-m", "promptlab", "list", "learners"],
    "import promptlab": ["-c", "import promptlab"],
    "import torch": ["-c", "import torch"],
    "promptlab.load_clip, imported": ["-c", "from promptlab import load_clip"],
    "promptlab.fit, imported": ["-c", "from promptlab import fit"],
}


def run(rounds: int) -> Report:
    """Median of several processes for each command; the first start of each isn't counted."""

    def start(arguments: list[str]) -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    steps = {name: lambda arguments=arguments: start(arguments) for name, arguments in COMMANDS.items()}
    seconds = interleave(steps, rounds)
    figures = [Figure(name, statistics.median(times), "s") for name, times in seconds.items()]
    return Report("startup", {"rounds": rounds}, figures=figures)

"""``promptlab study``: repeats a committed study, and says whether its numbers still hold."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.cli._plugins import find_plugins
from promptlab.support.errors import UsageError

if TYPE_CHECKING:
    from promptlab.jobs.committed import CommittedStudy
    from promptlab.report.collection import Collection
    from promptlab.report.repeated import Verdict
    from promptlab.results.document import Result

SUMMARY = "repeat a committed study: do its numbers hold?"
USAGE = "study DIR [KEY=VALUE ...]"
MOST_SHOWN = 10
"""Differences that are printed."""
DESCRIPTION = """\
  promptlab study experiments/demo                              repeat it, and compare
  promptlab study experiments/eurosat data.root=DATA            with words for each of its commands
  promptlab study experiments/demo --results DIR --check-only   compare what is there already

A study is a folder with study.yaml (question, commands, tolerance, machine) and runs.csv (its numbers). On the machine
of the numbers every one has to come out the same; on another they may differ by what study.yaml says. Results go to a
folder that stays, so that the same command goes on where one was interrupted.
"""


def main(arguments: Sequence[str]) -> int:
    """Repeat and compare; returns 0 if the numbers hold, 1 if they don't."""
    options = _parser().parse_args(arguments)
    from promptlab.jobs.committed import RUNS_NAME, machine_of, read_study
    from promptlab.report.collection import collect
    from promptlab.report.repeated import compare, read_rows
    from promptlab.support.console import say, say_json

    folder = Path(options.folder)
    study = read_study(folder)
    results = Path(options.results or Path("results", "studies", folder.resolve().name))
    with redirect_stdout(sys.stderr) if options.json else nullcontext():
        say(study.question, style="bold")
        if not options.check_only:
            _run(study, results, options.words)
    collection = collect([results])
    if not collection.results:
        raise UsageError(f"there are no results in {results}: leave out --check-only to make them")
    if options.write:
        _write(folder, study, collection)
        return 0
    machine = machine_of(collection.results)
    verdict = compare(read_rows(folder / RUNS_NAME), collection.results, tolerance=study.tolerance(machine))
    if options.json:
        say_json({"study": str(folder), "holds": verdict.holds, **asdict(verdict)})
        return 0 if verdict.holds else 1
    _say_machine(study, machine)
    _say_verdict(verdict, folder, results)
    return 0 if verdict.holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab study",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit status: 0 if the numbers hold, 1 if one differs or is missing",
    )
    parser.add_argument("folder", metavar="DIR", help="of the study, such as experiments/demo")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="for each command, such as data.root=DATA")
    parser.add_argument("--results", metavar="FOLDER", help="where results go (results/studies/NAME)")
    parser.add_argument(
        "--json", action="store_true", help="one JSON document: the verdict; all else on standard error"
    )
    parser.add_argument("--check-only", action="store_true", help="run nothing; compare the results that are there")
    parser.add_argument("--write", action="store_true", help="what is found becomes the study's numbers and figures")
    return parser


def _run(study: CommittedStudy, results: Path, words: Sequence[str]) -> None:
    """Run the study's commands; what failed is missing afterwards."""
    import shlex

    from promptlab.jobs.launch import launch
    from promptlab.support.console import say

    for command in study.words(results, words):
        say(f"promptlab {shlex.join(command)}", style="dim")
        find_plugins(command)
        launch(command)


def _say_machine(study: CommittedStudy, machine: dict[str, str]) -> None:
    from promptlab.support.console import say

    here, there = (", ".join(f"{key} {value}" for key, value in facts.items()) for facts in (machine, study.machine))
    if machine == study.machine:
        say(f"on the machine of the numbers ({here}): every number has to be the same")
    else:
        say(f"on another machine ({here}; the numbers: {there or 'unknown'}): they may differ by "
            f"{100 * study.elsewhere:.2f} points")  # fmt: skip


def _say_verdict(verdict: Verdict, folder: Path, results: Path) -> None:
    from promptlab.support.console import say
    from promptlab.support.words import counted, shortened

    for difference in verdict.differences[:MOST_SHOWN]:
        was, now = (_percent(number) for number in (difference.was, difference.now))
        say(f"  {difference.row}: {difference.score} was {was}, is {now}")
    for line in shortened(verdict.missing, MOST_SHOWN):
        say(f"  missing: {line}")
    of = f"{counted(verdict.numbers, 'number')} of {counted(verdict.evaluations, 'evaluation')}"
    how = f"{verdict.changed} of them by up to {verdict.largest:.2f} points off" if verdict.changed else "all the same"
    if verdict.renamed:
        say(
            f"{counted(verdict.renamed, 'evaluation')} found by name: their ids were others when they were written down"
        )
    if verdict.holds:
        say(f"{folder} holds: {of}, {how}", style="green")
    else:
        beyond = counted(len(verdict.differences), "number")
        say(f"{folder} differs: {beyond} beyond what is allowed, {counted(len(verdict.missing), 'evaluation')} missing "
            f"({of}, {how}); results in {results}", style="red")  # fmt: skip


def _percent(number: float | None) -> str:
    return "nothing" if number is None else f"{100 * number:.2f}"


def _place(run: Result) -> tuple[str, ...]:
    """Where a run stands in the table, whichever id it has."""
    shots = str(run.shots).rjust(4, "0")
    return run.dataset, run.protocol, run.learner, str(run.views), shots, str(run.seed).rjust(4, "0"), run.fit_id


def _write(folder: Path, study: CommittedStudy, collection: Collection) -> None:
    """Make what was found the study's own: the table of runs, the report's tables and its figures."""
    from dataclasses import replace

    from promptlab.jobs.committed import RUNS_NAME, machine_of, write_study
    from promptlab.report.average_table import average_tables
    from promptlab.report.figures.every import of_collection
    from promptlab.report.markup import markdown
    from promptlab.report.spreadsheet import record_csv
    from promptlab.report.table import sweep_tables
    from promptlab.support.console import say
    from promptlab.support.files import write_bytes_atomic, write_text_atomic

    found = sorted(collection.results, key=_place)
    tables = [*sweep_tables(found, cost=study.costs), *average_tables(found)]
    write_text_atomic(folder / RUNS_NAME, record_csv(found))
    write_text_atomic(folder / "table.md", "\n".join(map(markdown, tables)))
    figures = {drawing.name: drawing for drawing in of_collection(collection)} if study.figures else {}
    for name in study.figures:
        if name not in figures:
            raise UsageError(f"the report draws no figure {name} of these results: it draws {', '.join(figures)}")
        write_bytes_atomic(folder / f"{name}.png", figures[name].png())
    date = max(result.created for result in found)[:10]
    say(f"wrote {write_study(folder, replace(study, date=date, machine=machine_of(found)))}, {RUNS_NAME}, table.md and "
        f"{len(study.figures)} figures beside it")  # fmt: skip

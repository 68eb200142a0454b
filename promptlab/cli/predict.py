"""``promptlab predict``: what a saved learner says of pictures."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.support.console import say
from promptlab.support.errors import UsageError
from promptlab.support.words import counted

if TYPE_CHECKING:
    from promptlab.cli._held_out import HeldOut
    from promptlab.evaluation.prediction_files import Shape, Write
    from promptlab.learners.base.learner import PromptLearner

SUMMARY = "names and probabilities of pictures, by a saved learner"
USAGE = "predict LEARNER PICTURES..."
DESCRIPTION = """\
Says what pictures show, batch after batch, in memory that doesn't grow with their number.

  promptlab predict my_learner photos/ more/*.jpg
  promptlab predict my_learner photos/ --out found.csv --top 3
  find . -name '*.jpg' | promptlab predict my_learner - --format jsonl

--coverage 0.9 chooses the threshold under which so many of the held-out pictures of `promptlab adapt` get a name,
--false-alarms 0.05 the one under which so few of its negative pictures do. --sets 0.9 gives each picture the classes
among which the right one is so often (split conformal sets); --class-sets 0.9 promises that for each class by itself.

What can't be read is a row that says why. A video (with PyAV: pip install 'promptlab-clip[video]') is a row too, by
the mean of the probabilities of its frames. With --top 3, files of cells hold name, probability, name_2, probability_2,
name_3 and probability_3; name_1 too where the answer may be none of the classes, and name is empty.

exit status: 0, 1 if something couldn't be read, 2 for a command that can't be understood"""
FORMATS = ("table", "csv", "json", "jsonl")


def main(arguments: Sequence[str]) -> int:
    """Predict; returns the exit status.

    Raises:
        UsageError: for arguments that can't be, before anything is loaded where that can be told.
        CardError: for a learner that can't be loaded.
    """
    options = _parser().parse_args(arguments)
    form = _form(options)
    from promptlab.evaluation.given_files import files_given
    from promptlab.evaluation.predict_stream import predict_stream
    from promptlab.evaluation.prediction_files import Shape
    from promptlab.support.progress import image_progress

    files, total = files_given(options.pictures, sys.stdin.buffer)
    learner = _learner(options)
    sets_from = _sets_from(learner, options)
    rows = predict_stream(
        learner,
        files,
        top=options.top,
        every=options.every,
        frames=options.frames,
        sets_from=sets_from,
        batch_size=options.batch_size,
        exif=options.exif,
    )
    shape = Shape(
        learner.class_names,
        top=options.top,
        frames=options.frames,
        sets=sets_from is not None,
        declines=learner.decision.declines,
    )
    found: Counter[str | None] = Counter()
    unreadable = 0
    shows_bar = options.out is not None or not sys.stdout.isatty()
    with _written(options.out, form, shape) as write, image_progress("predicting", total, show=shows_bar) as advance:
        for row in rows:
            write(row)
            if row.seconds is None or row.error is not None:
                unreadable += row.error is not None
                found.update([row.name] if row.error is None else [])
                advance(1)
    _end(options.out, found, unreadable)
    return int(unreadable > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab predict", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("learner", metavar="LEARNER", help="a saved learner's folder, a run's, or an id on the hub")
    parser.add_argument("pictures", nargs="+", metavar="PICTURES", help="files, folders, patterns; - for a list")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write a file: .csv, .json, .jsonl or .parquet")
    parser.add_argument("--format", choices=FORMATS, help="what is printed (table)")
    parser.add_argument("--json", action="store_true", help="as --format json: one JSON document in place of the table")
    parser.add_argument("--top", type=int, default=1, metavar="K", help="name the K most probable classes (1)")
    least = parser.add_mutually_exclusive_group()
    least.add_argument("--threshold", type=float, metavar="P", help="below this probability it is none of the classes")
    least.add_argument("--coverage", type=float, metavar="SHARE", help="a threshold that answers so many held-out ones")
    least.add_argument("--false-alarms", type=float, metavar="SHARE", help="one that so many negatives pass, at most")
    parser.add_argument("--classes", metavar="NAMES", help="score these alone, with commas between; any, if it can")
    sets = parser.add_mutually_exclusive_group()
    sets.add_argument("--sets", type=float, metavar="COVERAGE", help="the classes that hold the right one so often")
    sets.add_argument("--class-sets", type=float, metavar="COVERAGE", help="the same, so often for each class")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="between frames of a video (1)")
    parser.add_argument("--frames", action="store_true", help="a row for each frame too")
    parser.add_argument(
        "--exif", action=argparse.BooleanOptionalAction, help="turn pictures as their EXIF says (as when fitted)"
    )
    parser.add_argument("--batch-size", type=int, default=64, metavar="B", help="pictures at a time (64)")
    parser.add_argument("--device", help="cpu, cuda, ... (the best there is)")
    return parser


def _form(options: argparse.Namespace) -> str:
    """What is printed."""
    if options.json and options.format not in (None, "json"):
        raise UsageError(f"--json is --format json; --format {options.format} is asked for, too")
    if options.out is not None:
        if options.json or options.format:
            raise UsageError("--out writes the kind of file that its name says: leave out --format and --json")
        from promptlab.evaluation.prediction_files import SUFFIXES

        if options.out.suffix.lower() not in SUFFIXES:
            raise UsageError(f"--out {options.out}: names of files end in {', '.join(SUFFIXES)}")
        if options.out.is_dir():
            raise UsageError(f"--out {options.out}: that is a folder; give the name of a file")
    return "json" if options.json else options.format or "table"


def _learner(options: argparse.Namespace) -> PromptLearner:
    """The learner, for the classes and with the threshold that were asked for."""
    from promptlab.evaluation.for_classes import for_classes
    from promptlab.saved.load import load_learner

    learner = load_learner(options.learner, device=options.device)
    if options.classes is not None:
        try:
            learner = for_classes(learner, next(csv.reader([options.classes], skipinitialspace=True), []))
        except UsageError as error:
            raise UsageError(f"--classes {options.classes!r}: {error}") from error
    threshold = options.threshold
    if options.coverage is not None or options.false_alarms is not None:
        held_out = _held_out(learner, options, "--coverage" if options.false_alarms is None else "--false-alarms")
        threshold, said = held_out.threshold(coverage=options.coverage, false_alarms=options.false_alarms)
        say(said, stderr=True)
    if threshold is not None:
        learner.decision = replace(learner.decision, threshold=threshold)
    return learner


def _sets_from(learner: PromptLearner, options: argparse.Namespace) -> float | list[float] | None:
    """The least probability of a class of a prediction set, where sets are asked for."""
    each_class = options.class_sets is not None
    coverage = options.class_sets if each_class else options.sets
    if coverage is None:
        return None
    option = "--class-sets" if each_class else "--sets"
    if not 0 < coverage < 1:
        raise UsageError(f"{option} {coverage:g}: a share above 0 and below 1 is needed")
    held_out = _held_out(learner, options, option)
    least, said = held_out.least_of_sets(coverage, each_class=each_class)
    say(said, stderr=True)
    return least


def _held_out(learner: PromptLearner, options: argparse.Namespace, option: str) -> HeldOut:
    """The held-out pictures of the learner's folder."""
    from promptlab.cli._held_out import HeldOut

    return HeldOut.of(options.learner, learner, option, all_classes=options.classes is None)


@contextmanager
def _written(to: Path | None, form: str, shape: Shape) -> Iterator[Write]:
    from promptlab.evaluation.prediction_files import FORMATS, file_of_rows

    with file_of_rows(to, shape) if to is not None else FORMATS[form](sys.stdout, shape) as write:
        yield write


def _end(to: Path | None, found: Counter[str | None], unreadable: int) -> None:
    """What was found, in a line or two."""
    from promptlab.evaluation.predicted import NONE

    if to is not None:
        most = ", ".join(f"{number:,} {name or NONE}" for name, number in found.most_common(5))
        more = f" and {counted(len(found) - 5, 'other answer')}" if len(found) > 5 else ""
        say(f"wrote {to}: {counted(found.total() + unreadable, 'picture')}{': ' * bool(most)}{most}{more}")
    if unreadable:
        say(f"{counted(unreadable, 'picture')} can't be read", stderr=True)

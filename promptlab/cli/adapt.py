"""``promptlab adapt PICTURES``: from one's own pictures to a learner that was chosen on them, with the evidence."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SUMMARY = "a learner for your own pictures, chosen on held-out ones"
USAGE = "adapt PICTURES [--out DIR]"
DESCRIPTION = """\
Looks at the pictures and says what it sees; chooses by cross-validation on them among zero-shot, CLAP (a linear probe
that starts from the names), Tip-Adapter-F and CoOp, the simplest within noise of the best; fits that on all pictures;
and leaves a folder with the learner, its held-out scores and a page with the evidence.

  promptlab adapt PICTURES                        a folder with a folder per class
  promptlab adapt pictures.csv --group patient    a table with the columns path, label and patient
  find ... | promptlab adapt -                    such a table on standard input
  promptlab predict adapted NEW_PICTURES          what it is for

Of a class with a single picture nothing can be held out: it is always trained on, and not scored. Copies, to the byte
or to the eye, are held out together."""


def main(arguments: Sequence[str]) -> int:
    """Adapt; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.own.adapt import Options, adapt_pictures
    from promptlab.own.candidates import CANDIDATES, candidate_named
    from promptlab.own.summary import document_of, summary_view
    from promptlab.support.console import console, say, say_json

    how = Options(
        candidates=CANDIDATES if options.learner is None else (candidate_named(options.learner),),
        negatives=options.negatives,
        group=options.group,
        template=options.template,
        views=options.views,
        budget=options.budget,
        seed=options.seed,
    )
    with _saying_it_once():
        adapted = adapt_pictures(
            options.pictures,
            options.out,
            options.backbone,
            how,
            command=shlex.join(["promptlab", "adapt", *arguments]),
            say=lambda line: say(line, stderr=options.json),
        )
    if options.json:
        say_json(document_of(adapted, options.out))
    else:
        console().print(summary_view(adapted, options.out), crop=False)
    return 0


@contextmanager
def _saying_it_once() -> Iterator[None]:
    """What readers notice in pictures is printed: they needn't log it too."""
    readers = logging.getLogger("promptlab.data")
    level = readers.level
    readers.setLevel(logging.ERROR)
    try:
        yield
    finally:
        readers.setLevel(level)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab adapt", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", metavar="PICTURES", help="a folder, a table (CSV), or - for one on standard input")
    parser.add_argument("--out", metavar="DIR", default="adapted", help="the folder that is left (adapted)")
    parser.add_argument("--backbone", metavar="NAME", default="vit_b16", help="of `promptlab list backbones` (vit_b16)")
    parser.add_argument("--learner", metavar="NAME", help="zero_shot, clap, tip_adapter_f or coop: skips the choice")
    parser.add_argument("--budget", metavar="MINUTES", type=float, default=20.0, help="for the choice (20)")
    parser.add_argument("--group", metavar="COLUMN", help="of a table: equal cells keep pictures on one side of a fold")
    parser.add_argument("--negatives", metavar="FOLDER_OR_NAMES", help="what is none of the classes")
    parser.add_argument("--template", default="a photo of a {}.", help="the prompt, with {} for the name")
    parser.add_argument("--views", metavar="K", type=int, default=4, help="random views of each picture to train on")
    parser.add_argument("--seed", type=int, default=1, help="of folds and fits (1)")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the table")
    return parser

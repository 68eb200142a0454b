"""From somebody's pictures to the folder of a learner, with everything that is known about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Gt

from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.data.amounts import KeptViews, Seed
from promptlab.data.checks.labels import refuse_single_class
from promptlab.own.adapted import Adapted
from promptlab.own.backbone import backbone_named
from promptlab.own.candidates import CANDIDATES, Candidate
from promptlab.own.copies import equal_pairs
from promptlab.own.first_look import seen_at_first, seen_encoded
from promptlab.own.fitting import BUDGET, choose_and_fit
from promptlab.own.folder import document, write
from promptlab.own.folder_contents import require_free
from promptlab.own.labelled_pictures import read_labelled
from promptlab.own.negatives import with_negatives
from promptlab.own.page import write_page
from promptlab.own.posing import VIEWS, pose
from promptlab.support.errors import UsageError
from promptlab.support.ranges import refuse_misfits


@dataclass(frozen=True, kw_only=True)
class Options:
    """How pictures are adapted to.

    Args:
        candidates: what is chosen among, the simplest first; one alone isn't chosen, but scored all the same.
        negatives: pictures or names of what is none of the classes; see :func:`with_negatives`.
        group: of a table, the column whose equal cells keep pictures together.
        template: the hand-written prompt.
        views: random views of each picture that are trained on; 0 for the evaluation transform alone.
        budget: minutes that the choice may take.
        seed: of folds and fits.

    Raises:
        UsageError: naming a value out of range.
    """

    candidates: tuple[Candidate, ...] = CANDIDATES
    negatives: str | None = None
    group: str | None = None
    template: str = DEFAULT_TEMPLATE
    views: KeptViews = VIEWS
    budget: Annotated[float, Gt(0)] = BUDGET
    seed: Seed = 1

    def __post_init__(self) -> None:
        refuse_misfits(Options, {key: value for key, value in vars(self).items() if key != "candidates"})


def adapt_pictures(
    pictures: str,
    to: str | Path,
    backbone: str,
    options: Options,
    *,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Adapted:
    """Read pictures, say what is seen, choose, fit, and write the folder.

    Args:
        pictures: a folder, a table, or ``-`` for one on standard input.
        to: the folder that is left.
        backbone: one of ``promptlab list backbones``.
        options: how.
        command: the command line, for the page.
        say: is told what is seen in the pictures, line by line, before anything is learned.

    Raises:
        DatasetError: naming everything that is wrong with the pictures.
        UsageError: for options that can't be, or a folder with files that no earlier adaptation left.
    """
    require_free(Path(to))
    times = [time.monotonic()]
    given = read_labelled(pictures, group=options.group, template=options.template)
    if options.negatives is not None:
        given = with_negatives(given, options.negatives)
    refuse_single_class(given.class_names, "adapt")
    seen = seen_at_first(given, equal_pairs(given.items.content_ids()))
    for line in (*seen, *given.left_out):
        say(line)
    times.append(time.monotonic())
    posed = pose(
        backbone_named(backbone), given.items, given.class_names, given.template,
        groups=given.groups, views=options.views, seed=options.seed,
    )  # fmt: skip
    problem = posed.problem
    problem.bank.note(given.name, given.items)
    more = seen_encoded(given, posed.near, posed.apart, problem.folds)
    for line in more:
        say(line)
    times.append(time.monotonic())
    outcome = choose_and_fit(problem, options.candidates, others=given.others, budget=options.budget)
    seconds = dict(zip(("look", "encode"), np.diff(times).tolist(), strict=True))
    adapted = document(given, problem, outcome, posed.groups, [*seen, *more], command=command, seconds=seconds)
    write(Path(to), given.name, outcome, problem, adapted)
    try:
        write_page(Path(to), adapted, outcome.chosen.logits, given.items)
    except UsageError as error:  # an optional package isn't there; the learner is
        say(f"no page: {error}")
    return adapted

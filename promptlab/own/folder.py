"""The folder that an adaptation leaves: the learner, its held-out predictions and logits, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from promptlab.evaluation.metrics import top_predictions
from promptlab.own.adapted import HELD_OUT, Adapted, GivenPicture, write_adapted
from promptlab.own.fitting import Outcome
from promptlab.own.folder_contents import clear
from promptlab.own.folds import ALWAYS_TRAINED
from promptlab.own.held_out import Problem
from promptlab.own.labelled_pictures import LabelledPictures, root_of
from promptlab.own.training_card import short_id, training_card
from promptlab.results.content_ids import pack_content_ids
from promptlab.results.logits import logits_of_arrays, write_logits
from promptlab.results.predictions import Predictions, write_predictions
from promptlab.results.provenance import utc_now
from promptlab.saved.save import save_learner
from promptlab.support.arrays import IntArray
from promptlab.support.words import printable


def document(
    given: LabelledPictures,
    problem: Problem,
    outcome: Outcome,
    groups: IntArray,
    seen: list[str],
    *,
    command: str = "",
    seconds: Mapping[str, float],
) -> Adapted:
    """How the learner came out of the pictures.

    Args:
        given: the pictures.
        problem: as they were learned.
        outcome: what came of it.
        groups: (N,) numbers of the pictures that stay together.
        seen: what was noticed in the pictures.
        command: the command line.
        seconds: of phases before the outcome's.
    """
    return Adapted(
        created=utc_now(),
        command=command,
        given=printable(given.given),
        root=printable(str(root_of(given.items))),
        class_names=given.class_names,
        class_origins=given.class_origins,
        others=given.others,
        template=given.template,
        pictures=_pictures(given, problem, groups),
        seen=tuple(seen),
        left_out=given.left_out,
        backbone=problem.clip.name,
        views=problem.views,
        seed=problem.seed,
        folds=problem.n_folds,
        candidates=outcome.chosen.scores,
        chosen=outcome.chosen.candidate.name,
        reason=outcome.chosen.reason,
        honesty=outcome.honesty,
        seconds={**seconds, **outcome.seconds},
    )


def _pictures(given: LabelledPictures, problem: Problem, groups: IntArray) -> tuple[GivenPicture, ...]:
    items, folds = problem.items, [None if fold == ALWAYS_TRAINED else fold for fold in problem.folds.tolist()]
    columns = given.files, items.labels.tolist(), items.content_ids(), groups.tolist(), folds
    return tuple(
        GivenPicture(file=printable(file), label=label, content_id=content, group=group, fold=fold)
        for file, label, content, group, fold in zip(*columns, strict=True)
    )


def write(folder: Path, name: str, outcome: Outcome, problem: Problem, adapted: Adapted) -> None:
    """Write the learner and what is known about it; what an earlier adaptation left there goes first.

    Args:
        folder: made if missing.
        name: of the pictures, for the learner's card.
        outcome: the learner and its held-out logits.
        problem: the pictures.
        adapted: the document.
    """
    clear(folder)
    save_learner(outcome.learner, folder, training=training_card(name, problem, outcome))
    if len(outcome.chosen.logits):
        _write_scores(folder, outcome, problem, adapted)
    write_adapted(folder, adapted)


def _write_scores(folder: Path, outcome: Outcome, problem: Problem, adapted: Adapted) -> None:
    """The held-out predictions, with probabilities by the temperature, and the logits without it."""
    logits, held_out = outcome.chosen.logits, problem.items.take(problem.held_out)
    ids, probabilities = top_predictions(logits / outcome.learner.decision.temperature)
    files = [adapted.pictures[row].file for row in problem.held_out.tolist()]
    contents = held_out.content_ids()
    eval_id = short_id([HELD_OUT, adapted.chosen, adapted.class_names, contents, problem.folds.tolist(), problem.seed])
    write_predictions(
        folder,
        Predictions(
            evaluation=HELD_OUT,
            eval_id=eval_id,
            class_names=adapted.class_names,
            labels=held_out.labels.astype(np.int32),
            top_ids=ids.numpy().astype(np.int32),
            top_probabilities=probabilities.numpy(),
            image_ids=pack_content_ids(contents),
            files=tuple(files),
        ),
    )
    labels = torch.from_numpy(held_out.labels)
    write_logits(folder, logits_of_arrays(logits, labels, adapted.class_names, contents, HELD_OUT, eval_id))

"""``promptlab convert``: what a method's own authors trained, as a saved learner of promptlab's, and what it scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.cli._plugins import add_config_dir, find_plugins
from promptlab.support.console import say, say_json
from promptlab.support.errors import UsageError

if TYPE_CHECKING:  # --help imports no torch
    from promptlab.config.settings import Settings
    from promptlab.learners.base.learner import PromptLearner
    from promptlab.runs.parts import Parts

SUMMARY = "a checkpoint of a method's own code as a saved learner"
USAGE = "convert FILE DIR KEY=VALUE ..."
DESCRIPTION = """\
Reads what a Dassl-style trainer left (model.pth.tar-EPOCH, or a folder around it) into the learner that the keys name,
writes it into DIR as a saved learner, and scores the test images. The keys are those of the run that would train it.

  promptlab convert output/MultiModalPromptLearner DIR learner=maple backbone=vit_b16 data.root=DATA dataset=eurosat"""


def main(arguments: Sequence[str]) -> int:
    """Bring a checkpoint in; returns the exit status.

    Raises:
        UsageError: for keys with several values, or a learner whose authors' checkpoints aren't known.
        CheckpointError: if the checkpoint can't be read, or isn't of such a learner.
    """
    options = _parser().parse_intermixed_args(list(arguments))
    find_plugins(arguments)
    from promptlab.runs.parts import build_learner, open_parts
    from promptlab.saved.checkpoints_of_authors import import_checkpoint

    parts = open_parts(_settings(options))
    learner = build_learner(parts)
    try:
        learner.authors_names()
    except TypeError as error:
        raise UsageError(str(error)) from error
    import_checkpoint(options.checkpoint, learner.eval())
    learner.save_pretrained(options.folder)
    if not options.json:
        say(f"{type(learner).__name__} on {parts.clip.name}, saved in {options.folder}")
    scores = {} if options.no_score else _scores(learner, parts, tell=not options.json)
    if options.json:
        told = {"learner": type(learner).__name__, "backbone": parts.clip.name, "folder": options.folder}
        say_json({**told, "evaluations": scores})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab convert", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a file, or a folder around it: its last epoch")
    parser.add_argument("folder", metavar="DIR", help="where the learner is saved")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for a run")
    parser.add_argument("--no-score", action="store_true", help="leave the test images alone")
    add_config_dir(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the lines")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    from promptlab.config.groups import existing
    from promptlab.jobs.every import every_settings

    folders = existing(options.config_dir)
    every = list(every_settings(options.overrides, folders))
    if len(every) != 1:
        raise UsageError(f"a checkpoint is of one learner, and these keys name {len(every)}: give each one value")
    return every[0]


def _scores(learner: PromptLearner, parts: Parts, *, tell: bool) -> dict[str, float | str]:
    """Accuracy of each evaluation of the protocol, or why there is none; told in a line each if wanted."""
    from promptlab.evaluation.evaluate import evaluate
    from promptlab.runs import session
    from promptlab.runs.parts import bind

    found: dict[str, float | str] = {}
    for evaluation in parts.task.evaluations:
        bound = bind(learner, parts, evaluation)
        top1 = bound if isinstance(bound, str) else evaluate(bound, evaluation.items, session.feature_bank()).top1
        found[evaluation.name] = top1
        if tell:
            accuracy = top1 if isinstance(top1, str) else f"{100 * top1:.2f} % of {len(evaluation.items)} images"
            say(f"{evaluation.name}: {accuracy}")
    return found

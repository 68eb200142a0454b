"""One run under Hydra, alone or in a sweep, and what the console says of it."""

from __future__ import annotations

import json
import logging
import shlex
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from promptlab.config.check import check
from promptlab.config.keys import without_untaken
from promptlab.config.settings import Settings
from promptlab.jobs.disk import naming_folders
from promptlab.jobs.grid import read_grid
from promptlab.jobs.lines import say_failed, say_of_run
from promptlab.jobs.notes import sign_path, write_note
from promptlab.jobs.plan import shown_of
from promptlab.jobs.shown import show
from promptlab.report.table import run_table
from promptlab.results.document import Result
from promptlab.runs.run import Outcome, run
from promptlab.support.at_work import at_work, is_alive
from promptlab.support.console import console, say, say_json
from promptlab.support.errors import is_expected
from promptlab.support.locks import HeldError
from promptlab.support.words import counted, first_line, megabytes

log = logging.getLogger(__name__)
LATER = "is at work elsewhere: left for later"


def run_alone(settings: Settings, command: Sequence[str], *, as_json: bool) -> None:
    """Run, and print its table or its document.

    Args:
        settings: of the run.
        command: the words of the command line, for the one that might follow.
        as_json: one JSON document in place of the table.

    Raises:
        PromptlabError: what the run raises; besides, built-in errors with a message for the user.
    """
    outcome = _run(settings, None)
    if as_json:
        say_json(described(outcome))
        return
    console().print(run_table(outcome.result))
    say(f"{_state(outcome)}result in {outcome.folder}{_logits(outcome)}")
    following = next_command(command, outcome.result)
    if following:
        say(f"next: {following}")


def run_in_sweep(cfg: DictConfig) -> None:
    """Run as one of many: how it ends is said and noted in the sweep's folder, and the others go on.

    What is at work elsewhere is left for later, without a note, unless the job is told to wait for it.
    """
    job = HydraConfig.get()
    own, sweep = job.callbacks["workers"], Path(job.sweep.dir)
    number = job.job.num if own.run is None else own.run
    grid = read_grid(sweep)
    shown = shown_of(job.overrides.task, cfg, grid.optional)
    tell = partial(say_of_run, grid, number, shown, as_json=own.as_json)
    if not own.wait and is_alive(sign_path(sweep, number)):
        tell(LATER)
        return
    try:
        with at_work(sign_path(sweep, number), " ".join(shown)):
            outcome = _run(check(without_untaken(cfg, grid.optional)), number, wait=own.wait)
    except HeldError:
        tell(LATER)
    except Exception as error:
        said = str(error) if is_expected(error) and str(error) else first_line(error)
        say_failed(grid, number, shown, said, as_json=own.as_json)
        log.debug("a run of the sweep failed", exc_info=error)
        trace = "".join(traceback.format_exception(error))
        write_note(sweep, number, {"overrides": shown, "error": said, "traceback": trace})
    else:
        tell(f"{_state(outcome)}{outcome.folder}")
        folder = str(outcome.folder.absolute())
        write_note(sweep, number, {"overrides": shown, "fresh": outcome.fresh, "folder": folder})


def described(outcome: Outcome) -> dict[str, Any]:
    """A run as ``--json`` shows it: its folder, whether it was computed now, and the whole Result."""
    return {
        "folder": str(outcome.folder),
        "fresh": outcome.fresh,
        "result": json.loads(outcome.result.to_json()),
    }


def next_command(command: Sequence[str], result: Result) -> str:
    """A command that fits the one just run: the same over three seeds, where seeds can change something.

    Args:
        command: its words, without ``promptlab``.
        result: what it gave.
    """
    if not command:
        return "promptlab -m seed=1,2,3 for an interval; promptlab list learners; promptlab --help"
    if not result.trained_parameters.shapes:
        return ""  # nothing is learned, and views of test images follow from the images
    scores = [(part.metrics, part.zero_shot) for part in result.evaluations.values()]
    if all(own is not None and base is not None and own.top1 == base.top1 for own, base in scores):
        return ""  # seeds change nothing
    words = [word for word in command if not word.startswith("seed=")]
    return f"{shlex.join(['promptlab', '-m', *words, 'seed=1,2,3'])} for an interval"


def _run(settings: Settings, job: int | None, *, wait: bool = True) -> Outcome:
    with naming_folders(settings.results):
        return run(settings, opened=partial(show, job=job), wait=wait)


def _logits(outcome: Outcome) -> str:
    """What the logits take that were kept, where some were."""
    files = [outcome.folder / part.logits for part in outcome.result.evaluations.values() if part.logits is not None]
    size = sum(file.stat().st_size for file in files if file.exists())
    return f"; all logits: {megabytes(size)} in {counted(len(files), 'file')}" if files else ""


def _state(outcome: Outcome) -> str:
    return "" if outcome.fresh else "finished already (force=true repeats it): "

"""One run under Hydra, alone or in a sweep, and what the console says of it."""

from __future__ import annotations

import json
import logging
import shlex
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from promptlab.config.check import check
from promptlab.config.keys import without_untaken
from promptlab.config.quoting import as_typed
from promptlab.config.settings import Settings
from promptlab.jobs.disk import naming_folders
from promptlab.jobs.shown import show
from promptlab.jobs.sweep import SweepTable
from promptlab.report.table import run_table
from promptlab.results.document import Result
from promptlab.runs.run import Outcome, run
from promptlab.support.console import console, say
from promptlab.support.errors import is_expected
from promptlab.support.words import counted, first_line

log = logging.getLogger(__name__)
_MISSING = object()


def run_alone(cfg: DictConfig, command: Sequence[str], *, as_json: bool) -> None:
    """Run, and print its table or its document.

    Args:
        cfg: the composed configuration.
        command: the words of the command line, for the one that might follow.
        as_json: one JSON document in place of the table.

    Raises:
        PromptlabError: what the run raises; besides, built-in errors with a message for the user.
    """
    outcome = _run(check(cfg), None)
    if as_json:
        say(json.dumps(described(outcome), indent=1))
        return
    console().print(run_table(outcome.result))
    say(f"{_state(outcome)}result in {outcome.folder}{_logits(outcome)}")
    following = next_command(command, outcome.result)
    if following:
        say(f"next: {following}")


def run_in_sweep(cfg: DictConfig) -> dict[str, Any]:
    """Run as one of many: a failure is said and noted, and the others go on.

    Returns:
        What the sweep gathers: the run's overrides, and its folder or its error.
    """
    job = HydraConfig.get()
    table: SweepTable = SweepTable.of(job)
    cfg, given = without_untaken(cfg, table.optional), [as_typed(word.lstrip("+")) for word in job.overrides.task]
    overrides = [word for word in given if not _is_left_out(word.partition("=")[0], cfg, table.optional)]
    place = f"{table.place_of(job.job.num)}  {table.varying(overrides)}".rstrip()
    try:
        outcome = _run(check(cfg), job.job.num)
    except Exception as error:
        said = str(error) if is_expected(error) and str(error) else first_line(error)
        again = shlex.join(["promptlab", *table.flags, *overrides])
        say(f"{place}  failed: {said}\n{'':8}alone: {again}", stderr=table.as_json)
        log.debug("a run of the sweep failed", exc_info=error)
        return {"overrides": overrides, "error": said, "traceback": "".join(traceback.format_exception(error))}
    say(f"{place}  {_state(outcome)}{outcome.folder}", stderr=table.as_json)
    return {"overrides": overrides, "fresh": outcome.fresh, "folder": str(outcome.folder.absolute())}


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
    scores = [(part.metrics, part.zero_shot) for part in result.evaluations.values()]
    if all(own is not None and base is not None and own.top1 == base.top1 for own, base in scores):
        return ""  # seeds change nothing
    words = [word for word in command if not word.startswith("seed=")]
    return f"{shlex.join(['promptlab', '-m', *words, 'seed=1,2,3'])} for an interval"


def _run(settings: Settings, job: int | None) -> Outcome:
    with naming_folders(settings.results):
        return run(settings, opened=partial(show, job=job))


def _is_left_out(key: str, cfg: DictConfig, optional: Sequence[str]) -> bool:
    return key in optional and OmegaConf.select(cfg, key, default=_MISSING) is _MISSING


def _logits(outcome: Outcome) -> str:
    """What the logits take that were kept, where some were."""
    files = [outcome.folder / part.logits for part in outcome.result.evaluations.values() if part.logits is not None]
    size = sum(file.stat().st_size for file in files if file.exists())
    return f"; all logits: {size / 1e6:,.1f} MB in {counted(len(files), 'file')}" if files else ""


def _state(outcome: Outcome) -> str:
    return "" if outcome.fresh else "finished already (force=true repeats it): "

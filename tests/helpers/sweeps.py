"""Sweeps as they are written down, made of plain values."""

from __future__ import annotations

import dataclasses
import json

from promptlab.config.same import settings_key
from promptlab.jobs.alike import kind_of
from promptlab.jobs.grid import Grid, Planned, write_grid
from promptlab.results.store import write_result
from promptlab.support.at_work import own_sign
from tests.helpers.results import make_result


def document_of(learner, seed, **changes):
    """The settings of a run as a Result keeps them."""
    named = {key: {"name": key} for key in ("dataset", "protocol", "backbone")}
    return {**named, "learner": {"name": learner}, "trainer": {}, "shots": 4, "seed": seed, "results": "r", **changes}


def planned(learner, seed):
    """A run of a grid."""
    document = document_of(learner, seed)
    words = (f"learner={learner}", f"seed={seed}")
    return Planned(overrides=words, shown=words, key=settings_key(document), kind=kind_of(document))


def make_sweep(root, learners=("coop", "zero_shot"), seeds=(1, 2), **changes):
    """A sweep's folder with its grid, below a folder of Results."""
    runs = tuple(planned(learner, seed) for learner in learners for seed in seeds)
    grid = Grid(promptlab="0", created="2026-11-26T20:00:00+00:00", started_by=own_sign(), folder=str(root),
                command=("-m", "learner=coop,zero_shot", "seed=1,2"), flags=(), varies=("learner", "seed"),
                optional=(), results=str(root), force=False, runs=runs)  # fmt: skip
    folder = root / "sweeps" / "2026-11-26_20-00-00-000000"
    write_grid(folder, dataclasses.replace(grid, **changes))
    return folder


def finish(root, learner, seed, seconds=3.0, **changes):
    """Leave the Result of a run in a folder; returns the run's."""
    result = make_result(learner=learner, seed=seed)
    parts = dataclasses.replace(result.seconds, load=0.0, features=0.0, fit=seconds, evaluate=0.0)
    folder = root / "dataset" / learner / f"{seed}"
    write_result(folder, dataclasses.replace(result, config=document_of(learner, seed, **changes), seconds=parts))
    return folder


def leave_sign(path, alive, about=""):
    """A sign of this process, or of one that was killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sign = {**vars(own_sign(about)), **({} if alive else {"process": 2**22 + 1})}
    path.write_text(json.dumps(sign))

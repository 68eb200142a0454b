"""A sweep in one process: what it costs beyond training, and what Lightning's loop adds to a step."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from promptlab.bench.lightning_loop import per_step
from promptlab.bench.report import Figure, Report
from promptlab.bench.settings import Settings
from promptlab.support.errors import PromptlabError

BACKBONES = {"ViT-B-16": "vit_b16_random", "ViT-B-16-quickgelu": "vit_b16_random"}
"""Configuration names of backbones that have another name here."""


class SweepError(PromptlabError, RuntimeError):
    """The sweep that was to be measured failed."""


@dataclass(frozen=True)
class Sweep:
    """Which runs.

    Args:
        dataset: a name of ``promptlab list datasets``.
        root: folder of its images, where it needs one.
        shots: images a class.
        seeds: of the runs.
        epochs: of training; the recipe's if None.
    """

    dataset: str = "demo_shapes"
    root: str | None = None
    shots: Sequence[int] = (1, 2, 4, 8, 16)
    seeds: Sequence[int] = (1, 2, 3)
    epochs: int | None = None

    def overrides(self, backbone: str, results: str) -> list[str]:
        """The command line of this sweep."""
        chosen = [
            f"backbone={BACKBONES.get(backbone, backbone)}", f"dataset={self.dataset}", "protocol=few_shot",
            "learner=coop", f"shots={','.join(map(str, self.shots))}", f"seed={','.join(map(str, self.seeds))}",
            f"results={results}", "trainer.enable_progress_bar=false",
        ]  # fmt: skip
        chosen += [] if self.root is None else [f"data.root={self.root}"]
        return chosen + ([] if self.epochs is None else [f"learner.optim.epochs={self.epochs}"])


def run(settings: Settings, sweep: Sweep, epochs: tuple[int, int] = (5, 30)) -> Report:
    """Time the sweep, then Lightning's loop against a bare one.

    Args:
        settings: the backbone, batch and rounds (of the loops; the sweep runs once).
        sweep: the runs.
        epochs: lengths of the fits that tell Lightning's cost by step from that by fit.

    Raises:
        SweepError: if a run failed; with what was said.
    """
    clip = settings.load()
    with tempfile.TemporaryDirectory(prefix="promptlab-bench-") as folder:
        figures = _sweep(settings, sweep, folder)
        names = settings.names()[: settings.classes]
        figures += per_step(clip, names, Path(folder), batch=settings.batch, epochs=epochs, rounds=settings.rounds)
    return Report("sweep", {**asdict(settings), **asdict(replace(sweep, root=None))}, figures=figures)


def _sweep(settings: Settings, sweep: Sweep, folder: str) -> list[Figure]:
    import lightning

    from promptlab.features.bank import FeatureBank
    from promptlab.jobs.launch import launch

    said, runs = io.StringIO(), len(sweep.shots) * len(sweep.seeds)
    command = ["-m", *sweep.overrides(settings.backbone, f"{folder}/results")]
    with (
        _cache(folder),
        _stopwatch(lightning.Trainer, "fit") as training,
        _stopwatch(FeatureBank, "_encode") as encode,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        start = time.perf_counter()
        status = launch(command)
        wall = time.perf_counter() - start
    if status or len(training) != runs:
        raise SweepError(f"the sweep failed: {said.getvalue().strip()[-1000:]}")
    beyond = wall - sum(training) - sum(encode)
    return [
        Figure(f"{runs} runs, CoOp, {sweep.dataset}, {settings.backbone}", wall, "s"),
        Figure("training itself", sum(training) / runs, "s a run"),
        Figure("encoding of images", sum(encode), "s", "once for all runs: each distinct image and view"),
        Figure(
            "overhead beyond training and encoding", beyond / runs, "s a run",
            "composing, loading, drawing, gathering, scoring, writing, and the table",
        ),
    ]  # fmt: skip


@contextlib.contextmanager
def _cache(folder: str) -> Iterator[None]:
    """A feature cache of its own, so that encoding is part of what happens."""
    before = os.environ.get("PROMPTLAB_CACHE")
    os.environ["PROMPTLAB_CACHE"] = f"{folder}/cache"
    try:
        yield
    finally:
        os.environ.pop("PROMPTLAB_CACHE")
        if before is not None:
            os.environ["PROMPTLAB_CACHE"] = before


@contextlib.contextmanager
def _stopwatch(owner: Any, name: str) -> Iterator[list[float]]:
    """Seconds of every call of a method."""
    method, seconds = getattr(owner, name), list[float]()

    def timed(*arguments: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **keywords)
        finally:
            seconds.append(time.perf_counter() - start)

    setattr(owner, name, timed)
    try:
        yield seconds
    finally:
        setattr(owner, name, method)

"""What learners cost, beside what they score: columns of rows averaged over seeds.

Seconds and memory hold on the machine that they were measured on; :func:`cost_notes` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from promptlab.report.averages import SweepRow
from promptlab.report.column import Column
from promptlab.report.statistics import mean
from promptlab.results.document import Result
from promptlab.support.words import some_of

KILOBYTE, GIGABYTE = 1e3, 1e9


def images_per_second(run: Result) -> float | None:
    """Test images scored per second of the evaluation, zero-shot CLIP's scores included; None without either.

    Image features that were in the bank already cost nothing here.
    """
    images = sum(part.metrics.images for part in run.evaluations.values() if part.metrics is not None)
    return images / run.seconds.evaluate if images and run.seconds.evaluate > 0 else None


def _over_runs(
    of: Callable[[Result], float | None], taken: Callable[[list[float]], float] = mean
) -> Callable[[SweepRow], float | None]:
    """The mean, or what else is ``taken``, over a row's runs of what they have."""

    def whole(row: SweepRow) -> float | None:
        found = [value for run in row.runs if (value := of(run)) is not None]
        return taken(found) if found else None

    return whole


def _in(unit: float, size: int | None) -> float | None:
    """A number of bytes in a larger unit."""
    return None if size is None else size / unit


COSTS: tuple[Column[SweepRow], ...] = (
    Column(name="parameters", of=_over_runs(lambda run: run.trained_parameters.count), text="{:,.0f}".format),
    Column(
        name="learner kB",
        of=_over_runs(lambda run: _in(KILOBYTE, run.learned_bytes)),
        text="{:,.1f}".format,
        has=lambda row: any(run.learned_bytes is not None for run in row.runs),
    ),
    Column(name="training s", of=_over_runs(lambda run: run.seconds.fit, min), text="{:,.1f}".format),
    Column(name="images/s", of=_over_runs(images_per_second, max), text="{:,.0f}".format),
    Column(
        name="memory GB",
        of=_over_runs(lambda run: run.peak_memory_bytes_of_process / GIGABYTE),
        text="{:,.2f}".format,
    ),
    Column(
        name="GPU GB",
        of=_over_runs(lambda run: _in(GIGABYTE, run.peak_memory_bytes_of_gpu)),
        text="{:,.2f}".format,
        has=lambda row: any(run.peak_memory_bytes_of_gpu is not None for run in row.runs),
    ),
)
"""Trained parameters, size of the saved learner, seconds to fit, test images a second, and the peak memory of the
process and of the GPU; means over seeds, of times the fastest seed's: another program only ever slows a run down."""


def cost_notes(rows: Sequence[SweepRow]) -> list[str]:
    """What the costs are and where they were measured."""
    hosts = [run.host for row in rows for run in row.runs]
    machines = dict.fromkeys(f"{host.device}, torch threads: {host.torch_threads}, {host.platform}" for host in hosts)
    several = " (costs of different machines don't compare)" if len(machines) > 1 else ""
    return [
        "parameters: trained by gradient; learner: its saved file; images/s: test images scored, features in the bank "
        "being free; times are the fastest seed's; memory: peak of the process, in a sweep the runs before included; "
        "GPU: peak of the run on its GPU",
        f"measured on {some_of(list(machines), 3)}{several}",
    ]

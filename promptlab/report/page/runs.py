"""Every run: a table of where each comes from, and each setting's configuration, said once where it is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab.report.column import MISSING, percent
from promptlab.report.cost import GIGABYTE
from promptlab.report.page.tables import Cell, PageTable
from promptlab.report.study import Section, at_shots
from promptlab.results.document import Result
from promptlab.results.ids import canonical_json

_UNTOLD = ("about", "results")
"""Keys of a configuration that say nothing of a run."""


@dataclass(frozen=True)
class Setting:
    """What one row of the tables was run with, beyond what all runs share."""

    heading: str
    values: Mapping[str, str]


def runs_table(sections: Sequence[Section], folders: Mapping[str, Path]) -> PageTable:
    """A row per run with its provenance."""
    names = (
        "protocol",
        "dataset",
        "learner",
        "shots",
        "seed",
        "scores",
        "created",
        "commit",
        "promptlab",
        "torch",
        "python",
        "device",
        "fit s",
        "memory GB",
        "selection",
        "fit id",
        "folder",
        "notes",
    )
    numeric = {"shots", "seed", "fit s", "memory GB"}
    rows = [
        _run(section, name, run, folders.get(run.fit_id))
        for section in sections
        for name, row in zip(section.names, section.rows, strict=True)
        for run in row.runs
    ]
    return PageTable(
        name="runs",
        caption=f"All {len(rows)} runs that count",
        columns=[(name, name in numeric) for name in names],
        rows=rows,
        notes=["a + behind a commit: files differed from it"],
    )


def _run(section: Section, name: str, run: Result, folder: Path | None) -> list[Cell]:
    scored = [(key, part.metrics) for key, part in run.evaluations.items()]
    scores = [f"{key} {MISSING if metrics is None else percent(metrics.top1)}" for key, metrics in scored]
    git = "" if run.git is None else run.git.commit[:10] + ("+" if run.git.dirty else "")
    shots = float(run.shots) if isinstance(run.shots, int) else float("inf")
    memory = run.peak_memory_bytes_of_process / GIGABYTE
    return [
        Cell(section.protocol),
        Cell(run.dataset),
        Cell(name),
        Cell(str(run.shots), shots),
        Cell(str(run.seed), run.seed),
        Cell(", ".join(scores)),
        Cell(run.created),
        Cell(git),
        Cell(run.versions.get("promptlab", "")),
        Cell(run.versions.get("torch", "")),
        Cell(run.host.python),
        Cell(run.host.device),
        Cell(f"{run.seconds.fit:.1f}", run.seconds.fit),
        Cell(f"{memory:.2f}", memory),
        Cell(run.selection),
        Cell(run.fit_id),
        Cell("" if folder is None else str(folder)),
        Cell("; ".join(run.notes)),
    ]


def settings(sections: Sequence[Section]) -> tuple[dict[str, str], list[Setting]]:
    """The configuration that all runs share, and for each row of the tables what it has besides.

    A value that differs among a row's seeds is listed for each, in the order of the seeds.
    """
    rows = [(section, name, row) for section in sections for name, row in zip(section.names, section.rows, strict=True)]
    flat = {id(run): _flat(run.config) for *_, row in rows for run in row.runs}
    configurations = list(flat.values())
    first = configurations[0] if configurations else {}
    shared = {
        key: value for key, value in first.items() if all(other.get(key) == value for other in configurations[1:])
    }
    found = []
    for section, name, row in rows:
        own = [flat[id(run)] for run in row.runs]
        keys = sorted({key for one in own for key in one if key not in shared})
        values = {key: ", ".join(dict.fromkeys(one.get(key, MISSING) for one in own)) for key in keys}
        found.append(Setting(f"{section.protocol}, {row.dataset}, {name}, {at_shots(row.shots)}", values))
    return shared, found


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys to values as text."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if key in _UNTOLD:
            continue
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else canonical_json(value)
    return flat

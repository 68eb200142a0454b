"""Runs that may be averaged: those that differ by their seed, and by what the seed drew, alone.

Everything else that a fit depends on separates rows, whether a table shows it or not; so do other test images, since
two datasets may have one name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptlab.report.averages import SweepRow, average
from promptlab.report.unequal import drawn_otherwise
from promptlab.results.document import Result
from promptlab.results.ids import canonical_json
from promptlab.support.typed_json import to_plain

DRAWN_BY_SEED = ("seed", "train_digest", "val_digest", "tested_digest")
_LONGEST_VALUE = 24


@dataclass
class _Group:
    """Runs that may be averaged, one per seed."""

    facts: dict[str, Any]
    runs: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def appearance(self) -> tuple[Any, ...]:
        """What a reader of the table sees of this group, in the order that rows are sorted by: marked ones last."""
        run = self.runs[0]
        return (run.protocol, run.dataset, run.backbone, run.marks, run.learner, _order(run.shots), _order(run.views))


def summarise(results: Iterable[Result]) -> list[SweepRow]:
    """Group runs, average each group over its seeds, and sort the rows.

    Of several runs with one seed in one group the newest counts. The order of ``results`` doesn't matter.
    """
    groups: dict[str, _Group] = {}
    for result in sorted(results, key=lambda result: (result.seed, result.created, result.fit_id)):
        facts = _facts(result)
        _add(groups.setdefault(canonical_json(facts), _Group(facts)), result)
    ordered = sorted(groups.items(), key=lambda item: (item[1].appearance, item[0]))
    alike: dict[tuple[Any, ...], list[_Group]] = {}
    for _, group in ordered:
        alike.setdefault(group.appearance, []).append(group)
    return [
        average(group.runs, _setting(group, alike[group.appearance]), group.notes, group.facts) for _, group in ordered
    ]


def _facts(result: Result) -> dict[str, Any]:
    """Everything that separates rows, flat: names of facts and of learner arguments to their values."""
    fit = to_plain(result.fit)
    assert isinstance(fit, dict)
    arguments = fit.pop("learner_arguments")
    words = {name: fit.pop(name) or "none" for name in ("balance", "calibration")}  # as the command line has them
    facts = {name: value for name, value in fit.items() if name not in DRAWN_BY_SEED}
    seen = ("protocol", "dataset", "learner", "backbone", "shots", "train_images", "val_images", "marks")
    run = {name: getattr(result, name) for name in seen} | words
    drawn = drawn_otherwise(result)
    return _flat(arguments, "learner.") | _flat(facts, "fit.") | run | drawn | {"data": _tested(result)}


def _tested(result: Result) -> str:
    """What tells data from other data of the same name and classes: the first test images of the run's own dataset."""
    own = (part.facts.items_digest for part in result.evaluations.values() if part.dataset == result.dataset)
    return next(own, "")


def _flat(arguments: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {f"{prefix}{name}": value}
    return flat


def _add(group: _Group, result: Result) -> None:
    """Add a run; it is newer than those of the same seed that are there."""
    before = [run for run in group.runs if run.seed == result.seed]
    if any(run.fit_id != result.fit_id for run in before):
        group.notes.append(f"seed {result.seed}: several fits on different images, the newest counts")
    group.runs = [run for run in group.runs if run.seed != result.seed] + [result]


def _setting(group: _Group, alike: Sequence[_Group]) -> str:
    """The facts that tell a group from those that look like it."""
    names = sorted({name for other in alike for name in other.facts})
    varying = [name for name in names if len({canonical_json(other.facts.get(name, "–")) for other in alike}) > 1]
    return ", ".join(f"{name.removeprefix('learner.')}={short_value(group.facts.get(name, '–'))}" for name in varying)


def short_value(value: object) -> str:
    """A fact as text, or a hash where it is long.

    Example:
        >>> short_value(4), short_value(["a"] * 30)
        ('4', '#6ed8dc')
    """
    text = value if isinstance(value, str) else canonical_json(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    return "#" + hashlib.sha256(text.encode()).hexdigest()[:6]


def _order(value: int | str) -> tuple[bool, int | str]:
    """Numbers first, by size, then words."""
    return isinstance(value, str), value

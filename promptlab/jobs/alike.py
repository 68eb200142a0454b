"""How long runs take, told from those that were like them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a run's duration follows from, what matters most first."""

    learner: str
    dataset: str
    protocol: str
    backbone: str
    shots: str


def kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind of a run.

    Args:
        document: its settings as a Result keeps them.

    Example:
        >>> named = {key: {"name": key} for key in ("learner", "dataset", "protocol", "backbone")}
        >>> kind_of({**named, "shots": 4})
        Kind(learner='learner', dataset='dataset', protocol='protocol', backbone='backbone', shots='4')
    """
    names = {group: _name(document[group]) for group in ("learner", "dataset", "protocol", "backbone")}
    return Kind(**names, shots=str(document["shots"]))


class Durations:
    """Seconds of finished runs.

    Args:
        finished: kind and seconds of each.

    Example:
        >>> one = Kind(learner="coop", dataset="dtd", protocol="few_shot", backbone="demo", shots="1")
        >>> other = Kind(learner="coop", dataset="dtd", protocol="few_shot", backbone="demo", shots="4")
        >>> durations = Durations([(one, 2.0), (one, 4.0)])
        >>> durations.of(one), durations.of(other), Durations([]).of(one)
        (3.0, 3.0, None)
    """

    def __init__(self, finished: Iterable[tuple[Kind, float]]) -> None:
        self._by_facts: dict[tuple[str, ...], list[float]] = {}
        for kind, seconds in finished:
            for facts in _coarser(kind):
                self._by_facts.setdefault(facts, []).append(seconds)

    def of(self, kind: Kind) -> float | None:
        """The median of the runs most like it, None where none has finished."""
        like = next((self._by_facts[facts] for facts in _coarser(kind) if facts in self._by_facts), None)
        return None if like is None else median(like)


def seconds_left(waiting: Sequence[float | None], running: Sequence[tuple[float | None, float]]) -> float | None:
    """How long a sweep still takes, if as many runs go on at once as now, and one if none does.

    Args:
        waiting: how long each run takes that has not begun, None where nobody knows.
        running: how long each one at work takes in all, and how long it has worked.

    Example:
        >>> seconds_left([10.0, 10.0], [(10.0, 4.0), (10.0, 8.0)]), seconds_left([None], [])
        (14.0, None)
    """
    known = [max(whole - worked, 0.0) for whole, worked in running if whole is not None]
    ahead = [whole for whole in waiting if whole is not None]
    if len(known) + len(ahead) < len(running) + len(waiting):
        return None
    at_once = max(len(running), 1)
    return max((sum(ahead) + sum(known)) / at_once, *known, *ahead[:1], 0.0)


def _coarser(kind: Kind) -> list[tuple[str, ...]]:
    """Its facts, the last left out again and again."""
    facts = astuple(kind)
    return [facts[:length] for length in range(len(facts), -1, -1)]


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("name") or node.get("_target_") or "")

"""The steps that can be timed, by the verb of ``promptlab bench``."""

from __future__ import annotations

from collections.abc import Callable

from promptlab.bench import cocoop, coop, learner, ship, texts
from promptlab.bench.cases import Case

Cases = Callable[..., list[Case]]
OWN: dict[str, Cases] = {"coop": coop.cases, "cocoop": cocoop.cases, "ship": ship.cases, "texts": texts.cases}
"""Those that have more to say than a learner's step."""
BENCHES: dict[str, Cases] = {**learner.CASES, **OWN}

"""The verbs that time a step: ``coop``, ``cocoop`` and ``ship``, and all other learners by their recipes."""

from __future__ import annotations

from dataclasses import asdict

from promptlab.bench.cases import measure
from promptlab.bench.every import BENCHES, OWN
from promptlab.bench.growth import growth
from promptlab.bench.peak import peaks
from promptlab.bench.report import Report
from promptlab.bench.settings import Settings


def run(bench: str, settings: Settings, *, many: int = 0) -> Report:
    """Check, time, and measure memory.

    Args:
        bench: one of ``BENCHES``.
        settings: what is asked for.
        many: for ``coop``, also a step with so many classes; 0 leaves it out.

    Raises:
        DifferenceError: if promptlab and the plain rendering differ.
    """
    clip = settings.load()
    cases = BENCHES[bench](settings, clip)
    comparisons = [measure(case, settings, clip) for case in cases]
    figures = growth(settings, clip, many) if many else []
    if settings.memory:
        del clip
        for place, case in enumerate(cases):
            figures += peaks(bench, place, settings, case.what) if case.memory else []
    asked = asdict(settings)
    if bench not in OWN:
        del asked["n_ctx"]  # the recipe's
    return Report(bench, asked, comparisons, figures)

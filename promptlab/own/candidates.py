"""What ``promptlab adapt`` chooses among, the simplest first, with settings that need no validation pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners import CLAP, CoOp, TipAdapterF, ZeroShot
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.optim import Optim
from promptlab.support.errors import UsageError
from promptlab.support.words import suggest

Makes = Callable[[FrozenCLIP, Sequence[str], str], PromptLearner]
"""Backbone, class names and template to an untrained learner."""


@dataclass(frozen=True)
class Candidate:
    """A learner that can be fitted on a handful of pictures.

    Args:
        name: as in ``learner=NAME``.
        title: what people call it, and what it is in a few words.
        make: makes it, untrained.
    """

    name: str
    title: str
    make: Makes


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(
        "zero_shot",
        "zero-shot: the names alone",
        lambda clip, names, template: ZeroShot(clip, names, template=template),
    ),
    # Of the probes that start from the texts, the one made for having no validation pictures: each class is held near
    # its text, the more so the better that knows it. ZS-LP holds none; LP++ chooses its epoch on validation pictures.
    Candidate(
        "clap",
        "CLAP: a linear probe that starts from the names",
        lambda clip, names, template: CLAP(clip, names, template=template),
    ),
    Candidate(
        "tip_adapter_f",
        "Tip-Adapter-F: the pictures as a trained memory",
        lambda clip, names, template: TipAdapterF(clip, names, template=template, search=False),
    ),
    Candidate(
        "coop",
        "CoOp: learned words around the names",
        lambda clip, names, template: CoOp(clip, names, ctx_init="a photo of a", optim=Optim(epochs=50)),
    ),
)
"""In the order of simplicity."""
BLIND = "clap"
"""What is taken where no picture can be held out: it uses the pictures, and stays near the names."""


def candidate_named(name: str) -> Candidate:
    """A candidate by its name.

    Raises:
        UsageError: if there is none.

    Example:
        >>> candidate_named("coop").title
        'CoOp: learned words around the names'
    """
    names = [candidate.name for candidate in CANDIDATES]
    if name not in names:
        raise UsageError(f"learner {name!r} isn't known here{suggest(name, names)}; allowed are {', '.join(names)}")
    return CANDIDATES[names.index(name)]

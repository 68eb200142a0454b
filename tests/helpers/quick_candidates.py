"""Candidates that are fitted in a moment."""

import pytest

import promptlab.own.adapt
import promptlab.own.candidates
import promptlab.own.classifier
from promptlab.learners import CLAP, CoOp, TipAdapterF, ZeroShot
from promptlab.learners.base.optim import Optim
from promptlab.own.candidates import CANDIDATES, Candidate

SHORT = Optim(epochs=2, warmup_epochs=0)
QUICK = (
    Candidate("zero_shot", "names", lambda clip, names, template: ZeroShot(clip, names, template=template)),
    Candidate("clap", "probe", lambda clip, names, template: CLAP(clip, names, template=template, optim=SHORT)),
    Candidate(
        "tip_adapter_f",
        "memory",
        lambda clip, names, template: TipAdapterF(clip, names, template=template, search=False, optim=SHORT),
    ),
    Candidate("coop", "words", lambda clip, names, template: CoOp(clip, names, ctx_init="a photo of a", optim=SHORT)),
)


@pytest.fixture(scope="module")
def quick():
    """All candidates, with two epochs each, wherever they are looked up."""
    assert [one.name for one in QUICK] == [one.name for one in CANDIDATES]
    with pytest.MonkeyPatch.context() as patch:
        for module in (promptlab.own.candidates, promptlab.own.adapt, promptlab.own.classifier):
            patch.setattr(module, "CANDIDATES", QUICK)
        yield QUICK

"""Every learner's step against itself over plain towers: equal answers, and how much less work that is."""

import pytest
from torch.utils.flop_counter import FlopCounterMode

import promptlab
from promptlab.bench import cases, learner, texts
from promptlab.bench.equal import DifferenceError, require_equal
from promptlab.bench.plain import PlainTower
from promptlab.bench.recipes import RECIPES
from promptlab.bench.recorded import IMAGE, TEXT, record
from promptlab.bench.settings import Settings

SMALL = Settings(backbone="demo", classes=12, batch=2, rounds=1, memory=False)
LESS_TEXT = {
    "coop": 13.0, "cocoop": 15.9, "kgcoop": 16.0, "prograd": 13.1, "tcp": 11.4, "dept": 13.0, "maple": 11.5,
    "ivlp": 16.0, "promptsrc": 16.0, "mmrl": 13.1, "mmrl_kept": 13.1, "mmrl_pp": 13.1, "clip_lora": 11.6,
    "atprompt": 14.8, "tpt": 24.0, "coprompt": 11.5, "plot": 13.0, "promptkd": float("inf"),
}  # fmt: skip
"""How many times fewer operations the text tower's products take, at 12 classes on the demo's towers."""


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


@pytest.mark.parametrize("name", RECIPES)
def test_both_sides_agree_and_ours_works_less(clip, name):
    """The same loss, the same gradient of everything that is learned, and no more work in either tower."""
    case = learner.cases(name, SMALL, clip)[0]
    ours, plain = case.ours(), case.plain()
    require_equal(case.what, ours, plain)
    built = learner.build(RECIPES[name], clip, SMALL.names())
    trained = [] if built.test_time else learner.stage_of(built).parameters
    compared = sum(entry.startswith("gradient of") for entry in ours)
    assert compared == len(trained) - len(RECIPES[name].unmoved)
    assert all(plain[entry].abs().max() > 0 for entry in ours)
    own, other = record(case.ours, clip).flop, record(case.plain, clip).flop
    assert own[IMAGE] <= other[IMAGE]
    assert other[TEXT] >= (LESS_TEXT.get(name, 0) * own[TEXT] if own[TEXT] else 0)
    assert bool(other[TEXT]) == (name in LESS_TEXT)


def test_layers_below_the_tokens_run_once_or_not_at_all(clip):
    """Of MMRL's two passes through the image tower the layers below are shared; kept states spare them, and a pass."""
    shared, kept = (
        record(learner.cases(name, SMALL, clip)[0].ours, clip).flop[IMAGE] for name in ("mmrl", "mmrl_kept")
    )
    plain = record(learner.cases("mmrl", SMALL, clip)[0].plain, clip).flop[IMAGE]
    assert kept < 0.7 * shared < 0.7 * plain


def test_the_products_counted_are_those_that_run(clip):
    """Left out of the step, they are the ones that torch counts in it."""
    case = learner.cases("maple", SMALL, clip)[0]
    with FlopCounterMode(display=False) as counter:
        case.ours()
    counts = {str(op): flop for op, flop in counter.get_flop_counts()["Global"].items()}
    assert record(case.ours, clip).flop.total() == counts["aten.mm"] + counts["aten.addmm"]


@pytest.mark.parametrize("mistake", ["_read", "_layers"])
@pytest.mark.parametrize("name", ["kgcoop", "mmrl"])
def test_a_wrong_rendering_is_not_timed(clip, name, mistake, monkeypatch):
    right = getattr(PlainTower, mistake)
    wrong = {
        "_read": lambda self, x, ends, *more: right(self, x, ends - 1, *more),
        "_layers": lambda self, x, *more: right(self, x.roll(1, dims=0), *more),
    }
    monkeypatch.setattr(PlainTower, mistake, wrong[mistake])
    monkeypatch.setattr(cases, "interleave", lambda *arguments, **keywords: pytest.fail("timed"))
    with pytest.raises(DifferenceError, match="differ"):
        cases.measure(learner.cases(name, SMALL, clip)[0], SMALL, clip)


def test_what_was_counted_is_reported(clip):
    found = cases.measure(learner.cases("maple", SMALL, clip)[0], SMALL, clip)
    assert found.towers["plain"][TEXT] > found.towers["promptlab"][TEXT] > 0
    assert found.rates["share_of_products_rate"] > 0


def test_class_texts_of_many_names(clip, monkeypatch):
    """What templates begin with runs once, and each text once, however often the list has it."""
    from promptlab.clip.text import shared

    monkeypatch.setattr(texts, "TEMPLATES", (*texts.TEMPLATES[:9], texts.TEMPLATES[0]))
    monkeypatch.setattr("promptlab.prompts.class_texts.MANY", 100)
    monkeypatch.setattr("promptlab.clip.text.side.MANY", 100)
    monkeypatch.setattr(shared, "_SHARED_BY", 15)
    (case,) = texts.cases(Settings(backbone="demo", classes=20), clip)
    require_equal(case.what, *case.answers())
    own, loop = record(case.ours, clip).flop[TEXT] / 20, record(case.plain, clip).flop[TEXT] / texts.LOOPED
    assert loop > 20 * own
    encoded = []
    encode = type(clip).encode_texts
    monkeypatch.setattr(
        type(clip), "encode_texts", lambda self, t, **more: encoded.extend(t) or encode(self, t, **more)
    )
    case.ours()
    assert len(encoded) == len(set(encoded)) == 9 * 20

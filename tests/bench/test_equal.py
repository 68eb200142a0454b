"""The plain rendering against the tests' own, and the check that stops a measurement of unequal things."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.bench import cases, cocoop, coop, ship
from promptlab.bench.equal import DifferenceError, require_equal
from promptlab.bench.reference import PlainPrompts
from promptlab.bench.settings import Settings
from tests.helpers.models import class_names, full_encode, full_prompts, tiny_clip

SMALL = Settings(backbone="tiny", classes=6, n_ctx=3, batch=4, rounds=1, memory=False)


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def test_plain_encoding_is_the_full_one(clip):
    names = class_names(7)
    ctx = torch.randn(3, clip.width, generator=torch.Generator().manual_seed(1))
    plain = PlainPrompts(clip, names, 3).encode(ctx)
    torch.testing.assert_close(plain, full_encode(clip.model, *full_prompts(clip, names, ctx)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("bench", [coop, cocoop, ship])
def test_both_sides_agree_on_what_is_compared(clip, bench):
    for case in bench.cases(SMALL, clip):
        ours, plain = case.answers() if case.answers else (case.ours(), case.plain())
        differences = require_equal(case.what, ours, plain)
        assert any(name.startswith("gradient of") for name in differences)
        assert all(plain[name].abs().max() > 0 for name in differences)


def test_gradients_cover_everything_that_trains(clip):
    (case, _) = cocoop.cases(SMALL, clip)
    ours, _ = case.answers()
    assert {name for name in ours if name.startswith("gradient of")} == {
        "gradient of ctx",
        *(f"gradient of meta_net.linear{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")),
    }


def wrong_end(prompts):
    prompts.ends = prompts.ends - 1


def wrong_padding(prompts):
    prompts.embedded = prompts.embedded.roll(1, dims=0)  # another class's words


def wrong_mask(prompts):
    prompts.text = type("Text", (), {name: getattr(prompts.text, name) for name in (
        "transformer", "ln_final", "positional_embedding", "text_projection")})()  # fmt: skip
    prompts.text.attn_mask = None


@pytest.mark.parametrize("mistake", [wrong_end, wrong_padding, wrong_mask])
@pytest.mark.parametrize("bench", [coop, cocoop, ship])
def test_a_wrong_rendering_is_not_timed(clip, bench, mistake, monkeypatch):
    """A plain side that reads the wrong token, the wrong class, or sees the future fails before any clock starts."""

    class Wrong(PlainPrompts):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            mistake(self)

    def no_clock(*arguments, **keywords):
        raise AssertionError("timed although the results differ")

    monkeypatch.setattr(bench, "PlainPrompts", Wrong)
    monkeypatch.setattr(cases, "interleave", no_clock)
    for case in bench.cases(SMALL, clip):
        with pytest.raises(DifferenceError, match="differ"):
            cases.measure(case, SMALL, clip)


def test_a_wrong_gradient_alone_is_seen(clip):
    """Equal logits and loss are not enough."""
    (_, case) = coop.cases(SMALL, clip)
    ours, plain = case.ours(), case.plain()
    scaled = {**plain, "gradient of ctx": 1.01 * plain["gradient of ctx"]}
    with pytest.raises(DifferenceError, match="gradient of ctx"):
        require_equal("step", ours, scaled)
    with pytest.raises(DifferenceError, match="gives"):
        require_equal("step", ours, {"loss": plain["loss"]})
    with pytest.raises(DifferenceError, match="differ by nan"):
        require_equal("step", ours, {**plain, "loss": torch.tensor(float("nan"))})


def test_images_are_encoded_in_the_plain_step(clip, monkeypatch):
    """The plain CoOp step encodes its batch, promptlab's none; and the cached features are those of the images."""
    counts = []
    encode = type(clip).encode_images
    monkeypatch.setattr(type(clip), "encode_images", lambda self, x: counts.append(len(x)) or encode(self, x))
    (_, case) = coop.cases(SMALL, clip)
    assert counts == [4]  # the cache
    case.ours()
    assert counts == [4]
    case.plain()
    assert counts == [4, 4]


def test_steps_ask_the_same_question_every_time(clip):
    """The optimiser runs, but at learning rate 0: parameters stay, so every round measures the same step."""
    (_, case) = ship.cases(SMALL, clip)
    first, second = (F.normalize(case.ours()["gradient of decoder.ctx"].clone(), dim=-1) for _ in range(2))
    torch.testing.assert_close(first, second)

"""The formula for useful operations against a count by hand, and against torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from promptlab.bench.flops import text_work
from promptlab.bench.products import products_alone
from promptlab.clip.text.pairs import PairPlan
from promptlab.prompts.class_prompts import ClassPrompts
from tests.helpers.models import class_names, tiny_clip

E, H, D, HEADS = 32, 128, 48, 4  # of the tiny text tower, 3 layers


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def test_by_hand(clip):
    """One learned prefix of 2 tokens, one constant tail of 3: every product written out."""
    work = text_work(clip.text_tower, PairPlan.product((2,), (3,)), prefix_learned=True, tails_learned=False)
    full = 4 * E * E + 2 * E * H  # weights of a layer
    prefix = 2 * (2 * full + 2 * E * E)  # two layers, then keys and values
    tail = 3 * (2 * full + 2 * E * E) + 1 * (2 * E * E + 2 * E * H) + 1 * E * D
    backward = prefix + tail - 3 * 3 * E * E  # a constant needs no gradient before the first attention
    assert work.product_flop == 2 * (prefix + tail + backward)
    seen = 3 + 4 + 5  # keys that the tail's three queries see
    tails = 4 * E * (seen + seen + 5)  # forward: two layers, then EOT alone
    tails_back = (2 * E * seen + 4 * E * 2 * 3) + 8 * E * (seen + 5)  # scores; the prefix's keys and values; the rest
    own = 12 * E * (1 + 2) * 2  # the prefix attends to itself in two layers
    assert work.attention_flop == tails + tails_back + own


def counted(step):
    """Operations by kind of product, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        step()
    counts = {str(op): flop for op, flop in counter.get_flop_counts()["Global"].items()}
    linear = sum(flop for op, flop in counts.items() if op in ("aten.mm", "aten.addmm"))
    return linear, sum(counts.values()) - linear


@pytest.mark.parametrize("csc", [False, True])
def test_what_torch_counts(clip, csc):
    """Products with weights agree to the operation, but for the queries of a prefix's last layer that nobody asks."""
    names, M = class_names(9), 4
    ctx = torch.randn((9, M, E) if csc else (M, E), requires_grad=True)
    prompts = ClassPrompts(clip, names, n_ctx=M, csc=csc)
    prefix, tails, plan = prompts(ctx)
    work = text_work(clip.text_tower, plan, prefix_learned=not csc, tails_learned=csc)
    linear, attention = counted(lambda: clip.text_tower.encode(prefix, tails, plan).sum().backward())
    idle = 0 if csc else 2 * 2 * (1 + M) * E * E  # forward and backward
    assert linear == work.product_flop + idle
    assert 0.3 * attention < work.attention_flop <= attention  # the code also computes scores that the mask hides


def test_images_times_classes(clip):
    """CoCoOp's work is that of its pairs: images add up."""
    tails = (3, 4, 4)
    one, five = (PairPlan.product((5,) * B, tails) for B in (1, 5))
    alone, together = (
        text_work(clip.text_tower, plan, prefix_learned=True, tails_learned=False) for plan in (one, five)
    )
    assert together.flop == 5 * alone.flop


def test_nothing_learned_is_refused(clip):
    with pytest.raises(ValueError, match="nothing is learned"):
        text_work(clip.text_tower, PairPlan.zip((1,), (3,)), prefix_learned=False, tails_learned=False)


def test_products_alone_do_the_products(clip):
    """What the rate is measured on has exactly the operations that the formula counts."""
    work = text_work(clip.text_tower, PairPlan.product((5,), (3, 4)), prefix_learned=True, tails_learned=False)
    linear, rest = counted(products_alone(work.products))
    assert (linear, rest) == (work.product_flop, 0)

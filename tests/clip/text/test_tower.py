"""Prompts and learners use of a text tower what the protocol says, so another tower needs no change in them."""

from functools import partial

import pytest
import torch

from promptlab.clip.text.tower import TextTower
from promptlab.learners import SHIP, Batch, CoCoOp, CoOp, KgCoOp, MaPLe, ZeroShot
from promptlab.prompts import nearest_words
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip

MEMBERS = {name for name in vars(TextTower) if not name.startswith("_")}
NAMES = class_names(4)


class Bare:
    """A tower that shows the protocol's members and nothing else."""

    def __init__(self, tower):
        self._tower = tower

    def __getattr__(self, name):
        if name not in MEMBERS:
            raise AttributeError(f"{name} is no member of TextTower")
        return getattr(self._tower, name)


@pytest.fixture(scope="module")
def clips():
    whole, bare = tiny_clip(), tiny_clip()
    bare.text_tower = Bare(bare.text_tower)
    return whole, bare


@pytest.mark.parametrize(
    "learner",
    [
        ZeroShot,
        *(partial(CoOp, n_ctx=3, class_token_position=position) for position in ("end", "middle", "front")),
        partial(CoOp, n_ctx=2, csc=True),
        CoCoOp,
        KgCoOp,
        partial(MaPLe, depth=2),
        partial(SHIP, inner=CoOp, has_images=[True, True, True, False]),
    ],
)
def test_learners_need_no_more(clips, learner):
    one, other = (learner(clip, NAMES) for clip in clips)
    inputs = pictures() if one.needs == "images" else clips[0].encode_images(pictures())
    assert torch.equal(one(inputs), other(inputs))
    batch = Batch(inputs, torch.arange(len(inputs)) % 3)
    for stages in zip(one.fit_plan(), other.fit_plan(), strict=True):
        losses = [stage.loss(batch._replace(generator=torch.Generator().manual_seed(0))) for stage in stages]
        assert torch.equal(*losses)
    assert torch.equal(one.select([2, 0])(inputs), other.select([2, 0])(inputs))


def test_neither_do_the_nearest_words(clips):
    vectors = clips[0].embed_words("cat dog")
    assert nearest_words(clips[1], vectors, top=1).words == [["cat"], ["dog"]]

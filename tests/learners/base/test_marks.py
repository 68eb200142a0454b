"""The marks that no table may lose."""

from functools import partial

import pytest

from promptlab.learners import SHIP, CoOp, TipAdapter, ZeroShot
from promptlab.learners.base.marks import MARKS, marks_of
from tests.helpers.fits import NAMES
from tests.helpers.models import tiny_clip
from tests.helpers.toys import Adapts, Corrected, MeanOfViews, Together, UsesUnlabelled


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


PROMPTS = {name: [f"a {name} thing"] for name in NAMES}


class Published(CoOp):
    """Offers a setting that its paper chose on test images."""

    def __init__(self, clip, class_names, *, published=False):
        super().__init__(clip, class_names)
        self.selected_on_test = published


@pytest.mark.parametrize(
    ("make", "marks"),
    [
        (CoOp, ()),
        (Together, ("transductive",)),
        (Adapts, ("test_time",)),
        (MeanOfViews, ("test_time",)),
        (UsesUnlabelled, ("unlabelled images",)),
        (partial(ZeroShot, prompts=PROMPTS), ("descriptions",)),
        (ZeroShot, ()),
        (partial(Published, published=True), ("selected_on_test",)),
        (Published, ()),
        (partial(Corrected, inner=UsesUnlabelled), ("unlabelled images",)),
        (partial(Corrected, inner=partial(TipAdapter, prompts=PROMPTS)), ("descriptions",)),
        (partial(SHIP, inner=partial(TipAdapter, prompts=PROMPTS), has_images=[True, True, False]), ("descriptions",)),
    ],
)
def test_a_learners_marks(clip, make, marks):
    assert marks_of(make(clip, NAMES)) == marks


def test_marks_have_one_order(clip):
    class Everything(Together, UsesUnlabelled):
        test_views = 2
        selected_on_test = True

    learner = Everything(clip, NAMES)
    learner.arguments = {"prompts": PROMPTS}
    assert marks_of(learner) == MARKS

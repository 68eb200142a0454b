"""A learner around another: what it takes over, what it adds, and that a saved or killed one comes back."""

import itertools
from functools import partial

import pytest
import torch
from torch import nn

from promptlab.evaluation.evaluate import evaluate
from promptlab.features.bank import FeatureBank
from promptlab.learners import SHIP, CoOp, GradientStage, MaPLe, PromptLearner, TipAdapter
from promptlab.learners.base.contract import LearnerContract
from promptlab.learners.base.optim import Optim
from promptlab.saved.load import load_learner
from promptlab.training.fit import fit
from tests.helpers.fits import NAMES, QUIET, items
from tests.helpers.models import tiny_clip
from tests.helpers.toys import Adapts, Corrected, MeanOfViews, Together, UsesUnlabelled

SHORT = Optim(epochs=2, batch_size=20, lr=0.05, warmup_epochs=0)
COOP = partial(CoOp, n_ctx=2, optim=SHORT)
MAPLE = partial(MaPLe, depth=2, optim=SHORT)


class TestAroundCoOp(LearnerContract):
    learner, arguments = Corrected, {"inner": CoOp}
    test_a_new_process_scores_the_same = None  # which takes seconds; tests/learners/test_contract.py asks it of all


class TestAroundMaPLe(LearnerContract):
    class OfImages(Corrected):
        needs = "images"  # the contract asks the class which batch to make

    learner, arguments = OfImages, {"inner": partial(MaPLe, depth=2)}
    test_a_new_process_scores_the_same = None


class TestAroundAClosedForm(LearnerContract):
    learner, arguments = Corrected, {"inner": partial(TipAdapter, search=False)}
    test_a_new_process_scores_the_same = None


@pytest.fixture
def bank(tmp_path):
    return FeatureBank(tmp_path / "features.sqlite")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


class KilledError(Exception):
    """What stands for a kill."""


def fitted(clip, bank, inner, *, kill_at=None, folder=None, **options):
    learner, steps = Corrected(clip, NAMES, inner=inner), itertools.count()
    plan = learner.fit_plan

    def counted():
        return [watched(stage) for stage in plan()]

    def watched(stage):
        def loss(batch):
            if next(steps) == kill_at:
                raise KilledError
            return stage.loss(batch)

        return GradientStage(stage.name, stage.parameters, loss, stage.optim, scored=stage.scored)

    learner.fit_plan = counted
    keep = {} if folder is None else {"checkpoint": folder / "resume.ckpt", "ckpt_every_s": 0}
    views = 2 if learner.needs == "features" else "online"
    try:
        report = fit(learner, items(0, 40), bank=bank, views=views, trainer=QUIET, **keep, **options)
    except KilledError:
        return learner, None
    return learner, report


@pytest.mark.parametrize("inner", [COOP, MAPLE], ids=["coop", "maple"])
def test_the_inner_learner_first_then_the_wrapper(clip, bank, inner):
    """The inner stages leave what they leave alone; the wrapper's trains its own on top of that."""
    learner, report = fitted(clip, bank, inner)
    stages = [stage.name for stage in learner.fit_plan()]
    assert stages == ["inner.context" if inner is COOP else "inner.prompts", "bias"]
    assert [point.stage for point in report.curve] == [stages[0], stages[0], "bias", "bias"]

    class Renamed(inner.func):
        def fit_plan(self):
            (stage,) = super().fit_plan()
            return [GradientStage("inner." + stage.name, stage.parameters, stage.loss, stage.optim)]

    alone = Renamed(clip, NAMES, **inner.keywords)
    views = 2 if learner.needs == "features" else "online"
    fit(alone, items(0, 40), bank=bank, views=views, trainer=QUIET)
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, learner.state_dict()["inner." + name]), name
    assert learner.bias.abs().min() > 0


@pytest.fixture(scope="module", params=[COOP, MAPLE], ids=["coop", "maple"])
def unbroken(request, clip, tmp_path_factory):
    """An inner learner, and what an unbroken fit around it leaves."""
    bank = FeatureBank(tmp_path_factory.mktemp("bank") / "features.sqlite")
    return request.param, *fitted(clip, bank, request.param)


@pytest.mark.parametrize("kill_at", [1, 3, 5, 8, 12])
def test_killed_and_resumed_to_equal_bits(clip, bank, tmp_path, unbroken, kill_at):
    inner, whole, expected = unbroken
    assert fitted(clip, bank, inner, kill_at=kill_at, folder=tmp_path)[1] is None
    again, report = fitted(clip, bank, inner, folder=tmp_path)
    assert report.curve == expected.curve
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_inner_epochs_are_chosen_by_the_inner_learner(clip, bank):
    """The wrapper's own part isn't trained yet: its accuracy says nothing of the inner learner's epochs."""
    options = {"select": "val", "val": items(40, 60)}

    class Spoilt(Corrected):
        def forward(self, inputs):
            return super().forward(inputs) + 1e6 * torch.eye(len(self.class_names))[0]  # always the first class

    learner = Spoilt(clip, NAMES, inner=COOP)
    report = fit(learner, items(0, 40), bank=bank, views=2, trainer=QUIET, **options)
    inner = [point.val_accuracy for point in report.curve if point.stage == "inner.context"]
    assert evaluate(learner.inner, items(40, 60), bank).top1 == pytest.approx(max(inner))
    assert evaluate(learner, items(40, 60), bank).top1 < max(inner)


def test_facts_follow_the_inner_learner(clip):
    wrapper = Corrected(clip, NAMES, inner=MAPLE)
    assert (wrapper.needs, wrapper.open_vocabulary, wrapper.test_views) == ("images", True, 0)
    assert Corrected(clip, NAMES, inner=MeanOfViews).test_views == 3
    assert Corrected(clip, NAMES, inner=UsesUnlabelled).uses_unlabelled
    assert not Corrected(clip, NAMES, inner=partial(CoOp, csc=True)).open_vocabulary
    searching = Corrected(clip, NAMES, inner=TipAdapter)
    assert (searching.searches, searching.crop_scale, searching.needs) == (True, (0.5, 1.0), "features")


def test_facts_are_known_before_a_learner_is_built():
    tip = TipAdapter.facts()
    assert (tip.chooser, tip.crop_scale, tip.needs, tip.uses_new_names) == ("TipAdapter", (0.5, 1.0), "features", False)
    assert Corrected.facts(tip) == tip
    assert Corrected.facts(MaPLe.facts()).needs == "images"
    assert Corrected.facts(UsesUnlabelled.facts()).uses_unlabelled
    around = SHIP.facts(Corrected.facts(tip))
    assert (around.chooser, around.uses_new_names, around.crop_scale) == ("TipAdapter", True, (0.5, 1.0))
    assert SHIP.facts().chooser is None


class Picky(CoOp):
    """Wants to be told of classes without images."""

    def __init__(self, clip, class_names, *, has_images, template, generator, **more):
        super().__init__(clip, class_names, generator=generator, **more)
        self.told = has_images, template


def test_the_inner_learner_is_offered_what_it_takes(clip):
    offers = {"template": "art of a {}.", "has_images": (True, True, False)}
    starts = [
        Corrected(clip, NAMES, inner=Picky, generator=torch.Generator().manual_seed(seed), **offers).inner
        for seed in (1, 1, 2)
    ]
    assert starts[0].told == ((True, True, False), "art of a {}.")
    assert torch.equal(starts[0].ctx, starts[1].ctx)
    assert not torch.equal(starts[0].ctx, starts[2].ctx)


def test_other_classes_come_from_the_inner_learner(clip):
    learner = Corrected(clip, NAMES, inner=partial(CoOp, n_ctx=2)).eval()
    with torch.no_grad():
        learner.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    images = nn.functional.normalize(torch.randn(4, clip.dim), dim=-1)
    with torch.no_grad():
        others = learner.rebind(["cat", "dog"], "")
        torch.testing.assert_close(others(images), learner.inner.rebind(["cat", "dog"], "")(images))
        joint = learner.extend(["cat", "green"], "", [None, 1])
        expected = learner.inner.extend(["cat", "green"], "", [None, 1])(images) + torch.tensor([0.0, 2.0])
        torch.testing.assert_close(joint(images), expected)
        torch.testing.assert_close(learner.select([2, 0])(images), learner(images)[:, [2, 0]])
    with pytest.raises(TypeError, match="Corrected can't score classes it wasn't trained on"):
        Corrected(clip, NAMES, inner=partial(CoOp, csc=True)).rebind(["cat"], "")


def test_what_is_learned_has_the_inner_learners_names(clip):
    assert set(Corrected(clip, NAMES, inner=CoOp).learned_tensors()) == {"bias", "inner.ctx"}


@pytest.mark.parametrize("inner", [COOP, MAPLE], ids=["coop", "maple"])
def test_a_saved_wrapper_comes_back(clip, tmp_path, inner):
    learner = Corrected(clip, NAMES, inner=inner).eval()
    with torch.no_grad():
        learner.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
        next(iter(learner.inner.parameters())).add_(0.1)
    learner.save_pretrained(tmp_path / "saved")
    again = load_learner(tmp_path / "saved", clip, learner=Corrected)
    assert again.inner.optim == SHORT
    for name, tensor in learner.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_what_the_inner_learner_read_from_files_is_remembered(clip):
    sentences = {name: [f"a {name} thing"] for name in NAMES}
    learner = Corrected(clip, NAMES, inner=partial(TipAdapter, search=False, prompts=sentences))
    kept = learner.arguments["inner"].keywords
    assert kept["search"] is False
    assert {name: list(of) for name, of in kept["prompts"].items()} == sentences


@pytest.mark.parametrize("inner", [Adapts, Together])
def test_learners_that_score_by_more_than_forward_are_refused(clip, inner):
    with pytest.raises(ValueError, match=f"Corrected can't be put around {inner.__name__}"):
        Corrected(clip, NAMES, inner=inner)


def test_a_wrapper_around_a_wrapper(clip):
    learner = Corrected(clip, NAMES, inner=partial(Corrected, inner=partial(CoOp, n_ctx=2)))
    assert isinstance(learner.inner.inner, PromptLearner)
    assert [stage.name for stage in learner.fit_plan()] == ["inner.inner.context", "inner.bias", "bias"]
    assert [stage.scored for stage in learner.fit_plan()] == [learner.inner.inner, learner.inner, None]


def test_what_no_run_offers_is_refused(clip):
    class Misspelt(Corrected):
        def __init__(self, clip, class_names, *, inner):
            super(Corrected, self).__init__(clip, class_names, inner, templte="a {}.")

    with pytest.raises(TypeError, match="Misspelt offers templte: known are template, has_images, generator"):
        Misspelt(clip, NAMES, inner=COOP)


def test_the_inner_learner_is_told_whose_images_are_scored(clip):
    class Told(CoOp):
        def tested_on(self, dataset, source):
            return self if dataset == source else self.select([0, 1])

    learner = Corrected(clip, NAMES, inner=partial(Told, n_ctx=2))
    assert learner.tested_on("same", "same") is learner
    other = learner.tested_on("other", "same")
    assert (other.inner.class_names, other.class_names) == (tuple(NAMES[:2]), tuple(NAMES))
    assert learner.inner.class_names == tuple(NAMES)

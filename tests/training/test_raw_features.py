"""A learner that reads lengths, or features before the projection, gets them in fits, scores and predictions."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

import promptlab
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.predict import predict
from promptlab.features.bank import FeatureBank
from promptlab.learners import SHIP, ClosedFormStage
from promptlab.training.fit import fit
from tests.helpers.toys import BeforeProjection, Corrected, ReadsLengths, Toy


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


@pytest.fixture(scope="module")
def data():
    return promptlab.demo_dataset("demo_textures")


def seen_by(toy):
    """A toy that keeps what its loss and its closed form got."""

    class Seen(toy):
        def loss(self, batch):
            self.batches = [*getattr(self, "batches", []), batch.inputs]
            return super().loss(batch)

        def fit_plan(self):
            return [ClosedFormStage("look", self.look), self.stage(chosen_by="loss")]

        def look(self, train, val):
            self.train_rows, self.val_rows = train.inputs, val.inputs

    return Seen


@pytest.mark.parametrize("toy", [ReadsLengths, BeforeProjection], ids=lambda toy: toy.__name__)
@pytest.mark.parametrize("views", [2, "online"])
def test_batches_closed_forms_scores_and_predictions_have_them(clip, data, toy, views):
    bank, learner = FeatureBank(), seen_by(toy)(clip, data.class_names)
    train, val = data.train.take(range(16)), data.val.take(range(4))
    if views == "online":
        learner.fit_plan = lambda: [learner.stage()]
    fit(learner, train, val=val, bank=bank, views=views, trainer={"enable_progress_bar": False})
    pictures = torch.stack([clip.preprocess(data.val.source.open(int(i))) for i in val.indices])
    expected = clip.encode_images(pictures, normalised=False, kind=toy.reads)
    assert all(batch.shape[1:] == expected.shape[1:] for batch in learner.batches)
    lengths = torch.cat(learner.batches).norm(dim=-1)
    torch.testing.assert_close(lengths.mean(), expected.norm(dim=-1).mean(), rtol=0.3, atol=0)
    if views != "online":
        assert learner.train_rows.shape == (16, 2, expected.shape[1])
        torch.testing.assert_close(learner.val_rows, expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        logits = learner.eval()(expected)
    torch.testing.assert_close(logits_of(learner, val, bank), logits, rtol=1e-3, atol=1e-3)
    opened = [data.val.source.open(int(i)) for i in val.indices]
    torch.testing.assert_close(predict(learner, opened).logits, logits, rtol=1e-3, atol=1e-3)


def test_wrappers_hand_them_on_and_ship_makes_them_where_it_can(clip, data):
    around = Corrected(clip, data.class_names, inner=BeforeProjection)
    assert (around.reads, around.normalised) == ("pre_projection", False)
    assert Corrected.facts(ReadsLengths.facts()).normalised is False
    assert Corrected.facts(Toy.facts()).normalised is True
    has_images = [True, *[False] * (len(data.class_names) - 1)]
    assert SHIP.facts(ReadsLengths.facts()).normalised is False
    assert not SHIP(clip, data.class_names, inner=partial(ReadsLengths), has_images=has_images).normalised
    why = "reads those in front of the image projection, which follow from no text"
    with pytest.raises(ValueError, match=f"SHIP makes features of the joint space, .* but BeforeProjection {why}"):
        SHIP(clip, data.class_names, inner=partial(BeforeProjection), has_images=has_images)
    with pytest.raises(ValueError, match=f"the learner inside it {why}"):
        SHIP.facts(BeforeProjection.facts())


def test_draws_of_kept_views_are_refused_where_none_are_kept_or_views_are_named(clip, data):
    learner = Toy(clip, data.class_names, draws="pool")
    with pytest.raises(ValueError, match="stage 'toy' draws pool of views that are kept: give a number of views"):
        fit(learner, data.train.take(range(8)), views="online")
    with pytest.raises(ValueError, match="draws='pool' says which views are shown, and so do its views"):
        learner.stage(views=("random", "random"))
    with pytest.raises(ValueError, match="draws='all', allowed are items, pool, views_in_turn, unlabelled"):
        learner.stage(draws="all")


def test_unit_features_are_what_others_get(clip, data):
    learner = seen_by(Toy)(clip, data.class_names)
    fit(
        learner, data.train.take(range(8)), val=data.val.take(range(4)), views=0, trainer={"enable_progress_bar": False}
    )
    rows = torch.cat([*learner.batches, learner.val_rows])
    assert torch.allclose(F.normalize(rows, dim=-1), rows, atol=1e-6)

"""R1: an interrupted fit goes on to the bits of an uninterrupted one."""

import logging

import pytest
import torch

from promptlab.data.feature_bank import FeatureBank
from promptlab.learners import ClosedFormStage, CoOp, GradientStage
from promptlab.training.fit import fit
from promptlab.training.optim import Optim
from tests.models import tiny_clip
from tests.training.test_fit import NAMES, QUIET, items


@pytest.fixture
def bank(tmp_path):
    return FeatureBank(tmp_path / "features.sqlite")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


class KilledError(Exception):
    """What stands for a kill."""


class TwoStages(CoOp):
    """A closed form that fills a buffer, then two gradient stages; the losses draw random numbers."""

    def __init__(self, clip, class_names, *, epochs=4, chosen_by="accuracy"):
        schedule = {"warmup_epochs": 0, "schedule": "cosine_per_step"}
        super().__init__(clip, class_names, n_ctx=2, optim=Optim(epochs=epochs, batch_size=8, **schedule))
        self.register_buffer("cache", torch.empty(0, clip.dim))
        self.chosen_by = chosen_by

    def noisy(self, batch):
        noise = 0.1 * torch.randn(batch.inputs.shape, generator=batch.generator)
        return self.loss(batch._replace(inputs=batch.inputs + noise)) + self.cache.mean()

    def fill(self, train, val):
        self.cache.data = train.inputs.mean(1)

    def fit_plan(self):
        adam = Optim(name="adamw", epochs=3, batch_size=16, warmup_epochs=0)
        return [
            ClosedFormStage("cache", self.fill),
            GradientStage("first", [self.ctx], self.noisy, adam, self.chosen_by),
            GradientStage("second", [self.ctx], self.noisy, self.optim, self.chosen_by),
        ]


STEPS = 3 * 3 + 4 * 7  # 60 items


def fitted(clip, bank, folder, *, kill_at=None, select="last", chosen_by="accuracy", **kwargs):
    """A learner fitted with a checkpoint after every epoch, killed before a step if asked; its report, or None."""
    learner = TwoStages(clip, NAMES, chosen_by=chosen_by)
    steps, plain = iter(range(STEPS + 1)), learner.noisy

    def counted(batch):
        if next(steps, None) == kill_at and kill_at is not None:
            raise KilledError
        return plain(batch)

    learner.noisy = counted
    options = {"val": items(0, 12), "select": select, "views": 2, "seed": 3, "trainer": QUIET, **kwargs}
    try:
        report = fit(learner, items(), bank=bank, checkpoint=folder / "resume.ckpt", ckpt_every_s=0, **options)
    except KilledError:
        return learner, None
    return learner, report


@pytest.mark.parametrize("kill_at", [2, 3, 8, 9, 10, 20, STEPS - 1])
@pytest.mark.parametrize(("select", "chosen_by"), [("last", "accuracy"), ("val", "accuracy"), ("val", "loss")])
def test_killed_at_any_step_it_ends_with_the_same_bits(clip, bank, tmp_path, kill_at, select, chosen_by):
    whole, expected = fitted(clip, bank, tmp_path / "whole", select=select, chosen_by=chosen_by)
    choices = {"select": select, "chosen_by": chosen_by}
    assert fitted(clip, bank, tmp_path, kill_at=kill_at, **choices)[1] is None
    again, report = fitted(clip, bank, tmp_path, **choices)
    assert report.curve == expected.curve
    assert [point.epoch for point in report.curve] == [0, 1, 2, 0, 1, 2, 3]
    assert report.selection == expected.selection
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not (tmp_path / "resume.ckpt").exists()


def test_it_goes_on_and_does_not_start_again(clip, bank, tmp_path):
    fitted(clip, bank, tmp_path, kill_at=15)
    learner = TwoStages(clip, NAMES)
    seen = []
    plain = learner.noisy
    learner.noisy = lambda batch: seen.append(1) or plain(batch)
    fit(
        learner,
        items(),
        val=items(0, 12),
        bank=bank,
        views=2,
        seed=3,
        trainer=QUIET,
        checkpoint=tmp_path / "resume.ckpt",
    )
    assert len(seen) == STEPS - 9  # the first stage was done; the second had not ended an epoch


def test_killed_twice(clip, bank, tmp_path):
    whole, expected = fitted(clip, bank, tmp_path / "whole")
    for kill_at in (5, 9):  # of the steps left
        fitted(clip, bank, tmp_path, kill_at=kill_at)
    again, report = fitted(clip, bank, tmp_path)
    assert report.curve == expected.curve
    assert torch.equal(whole.ctx, again.ctx)


def test_short_fits_write_nothing(clip, bank, tmp_path):
    fitted(clip, bank, tmp_path, kill_at=20, **{"seed": 3})
    assert (tmp_path / "resume.ckpt").exists()
    learner = TwoStages(clip, NAMES)
    learner.loss = lambda batch: (_ for _ in ()).throw(RuntimeError)
    with pytest.raises(RuntimeError):
        fit(learner, items(), bank=bank, views=0, trainer=QUIET, checkpoint=tmp_path / "other.ckpt")
    assert not (tmp_path / "other.ckpt").exists()


@pytest.mark.parametrize("damage", ["other fit", "torn"])
def test_a_state_that_does_not_fit_is_not_used(clip, bank, tmp_path, caplog, damage):
    whole, expected = fitted(clip, bank, tmp_path / "whole")
    fitted(clip, bank, tmp_path, kill_at=20, **({"seed": 4} if damage == "other fit" else {}))
    path = tmp_path / "resume.ckpt"
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        again, report = fitted(clip, bank, tmp_path)
    assert ("another fit" if damage == "other fit" else "starts again") in caplog.text
    assert report.curve == expected.curve
    assert torch.equal(whole.ctx, again.ctx)


def test_a_diverging_loss_keeps_the_last_good_state(clip, bank, tmp_path):
    learner = TwoStages(clip, NAMES)
    plain, steps = learner.noisy, iter(range(100))
    learner.noisy = lambda batch: plain(batch) * (float("inf") if next(steps) >= 20 else 1)
    with pytest.raises(FloatingPointError, match=r"second: the loss is inf in epoch 1, step 4"):
        fit(learner, items(), bank=bank, views=0, trainer=QUIET, checkpoint=tmp_path / "resume.ckpt", ckpt_every_s=0)
    state = torch.load(tmp_path / "resume.ckpt", weights_only=True)
    assert len(state["promptlab"]["progress"]["curve"]) == 4
    assert state["state_dict"]["learner.ctx"].isfinite().all()

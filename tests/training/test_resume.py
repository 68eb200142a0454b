"""R1: an interrupted fit goes on to the bits of an uninterrupted one."""

import logging
import random
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

from promptlab.features.bank import FeatureBank
from promptlab.learners import ClosedFormStage, CoOp, GradientStage
from promptlab.learners.base.optim import Optim
from promptlab.training.fit import fit
from promptlab.training.identity import Identity
from promptlab.training.resume import Resume
from tests.helpers.fits import NAMES, QUIET, items
from tests.helpers.models import tiny_clip


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return FeatureBank(tmp_path_factory.mktemp("bank") / "features.sqlite")


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
    options = {"checkpoint": folder / "resume.ckpt", "ckpt_every_s": 0, **options}
    try:
        report = fit(learner, items(), bank=bank, **options)
    except KilledError:
        return learner, None
    return learner, report


@pytest.fixture(scope="module")
def unbroken(clip, bank, tmp_path_factory):
    """By how an epoch is chosen: the learner and the report of a fit that nothing killed, fitted once."""

    @cache
    def of(select="last", chosen_by="accuracy"):
        return fitted(clip, bank, tmp_path_factory.mktemp("whole"), select=select, chosen_by=chosen_by)

    return of


@pytest.fixture(scope="module")
def killed_late(clip, bank, tmp_path_factory):
    """The file that a fit killed in its second stage left."""
    folder = tmp_path_factory.mktemp("killed")
    fitted(clip, bank, folder, kill_at=24)
    return folder / "resume.ckpt"


@pytest.mark.parametrize("kill_at", [2, 3, 8, 9, 10, 20, STEPS - 1])
@pytest.mark.parametrize(("select", "chosen_by"), [("last", "accuracy"), ("val", "accuracy"), ("val", "loss")])
def test_killed_at_any_step_it_ends_with_the_same_bits(clip, bank, unbroken, tmp_path, kill_at, select, chosen_by):
    whole, expected = unbroken(select, chosen_by)
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


def test_killed_twice(clip, bank, unbroken, tmp_path):
    whole, expected = unbroken()
    for kill_at in (5, 9):  # of the steps left
        fitted(clip, bank, tmp_path, kill_at=kill_at)
    again, report = fitted(clip, bank, tmp_path)
    assert report.curve == expected.curve
    assert torch.equal(whole.ctx, again.ctx)


def test_short_fits_write_nothing(clip, bank, tmp_path):
    """Epochs end in both, but only every so many seconds is one kept."""
    fitted(clip, bank, tmp_path, kill_at=20)
    assert (tmp_path / "resume.ckpt").exists()
    fitted(clip, bank, tmp_path / "short", kill_at=20, ckpt_every_s=1000)
    assert not (tmp_path / "short" / "resume.ckpt").exists()


@pytest.mark.parametrize(
    ("change", "value"),
    [("views", 1), ("select", "val"), ("val", items(0, 24)), ("trainer", {**QUIET, "accumulate_grad_batches": 2})],
)
def test_another_fit_starts_again(clip, bank, tmp_path, caplog, change, value):
    fitted(clip, bank, tmp_path, kill_at=20)
    with caplog.at_level(logging.WARNING):
        fitted(clip, bank, tmp_path, **{change: value})
    assert "belongs to another fit" in caplog.text


@pytest.mark.parametrize("other", [{"w": 0.0}, {"n_ctx": 3}], ids=str)
def test_other_hyper_parameters_are_another_fit(clip, bank, tmp_path, caplog, other):
    class Weighted(CoOp):
        def __init__(self, clip, class_names, *, w=8.0, n_ctx=2):
            super().__init__(clip, class_names, n_ctx=n_ctx, optim=Optim(epochs=2, batch_size=16))
            self.w, self.steps = w, iter(range(100))

        def loss(self, batch):
            if self.w and next(self.steps) == 5:
                raise KilledError
            return (1 + self.w) * super().loss(batch)

    options = {"bank": bank, "views": 0, "trainer": QUIET, "checkpoint": tmp_path / "resume.ckpt", "ckpt_every_s": 0}
    with pytest.raises(KilledError):
        fit(Weighted(clip, NAMES), items(), **options)
    learner = Weighted(clip, NAMES, **{"w": 0.0, **other})
    with caplog.at_level(logging.WARNING):
        report = fit(learner, items(), **options)
    assert "belongs to another fit" in caplog.text
    assert len(report.curve) == 2


def test_the_checkpoint_can_be_left_to_the_caller(clip, bank, tmp_path):
    fitted(clip, bank, tmp_path, discard_checkpoint=False)
    assert (tmp_path / "resume.ckpt").exists()


@pytest.mark.parametrize("damage", ["other fit", "torn"])
def test_a_state_that_does_not_fit_is_not_used(clip, bank, unbroken, tmp_path, caplog, damage):
    whole, expected = unbroken()
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


@pytest.mark.parametrize("last", [False, True])
def test_a_last_step_that_diverges_is_named_and_never_kept(clip, bank, tmp_path, last):
    """Every loss is finite, but the last step of an epoch makes the weights NaN."""
    learner = TwoStages(clip, NAMES, epochs=2)
    plain, steps = learner.noisy, iter(range(100))
    fatal = 9 + (13 if last else 6)

    def poisoned(batch):
        loss = plain(batch)
        if next(steps) == fatal:
            learner.ctx.register_hook(lambda gradient: gradient * float("nan"))
        return loss

    learner.noisy = poisoned
    options = {"bank": bank, "views": 0, "trainer": QUIET, "checkpoint": tmp_path / "resume.ckpt", "ckpt_every_s": 0}
    place = rf"epoch {int(last)}, step 6, at learning rate"
    with pytest.raises(FloatingPointError, match=rf"second: a learned value is NaN or infinite in {place}"):
        fit(learner, items(), **options)
    state = torch.load(tmp_path / "resume.ckpt", weights_only=True)
    assert state["state_dict"]["learner.ctx"].isfinite().all()
    assert len(state["promptlab"]["progress"]["curve"]) == 3 + int(last)


def copy_of(state, folder):
    """A state file as it was left, in a folder of a test's own."""
    return Path(shutil.copy(state, folder / "resume.ckpt"))


def taken_up(clip, path):
    """What a fit of the same id would go on from, or None if it starts again."""
    learner = TwoStages(clip, NAMES)
    noted = torch.load(path.with_name("whole.ckpt"), weights_only=True)["promptlab"]
    resume = Resume(path, 0, Identity(noted["mark"]))
    resume.take_up(learner, learner.fit_plan())
    return None if resume.tensors is None else (resume.progress, dict(resume.tensors))


@pytest.mark.parametrize("sealed", [True, False], ids=["ours", "of an earlier version"])
def test_a_flipped_bit_never_gives_other_numbers(clip, killed_late, tmp_path, sealed):
    path = copy_of(killed_late, tmp_path)
    path.with_name("whole.ckpt").write_bytes(path.read_bytes())
    if not sealed:
        state = torch.load(path, weights_only=True)
        del state["promptlab"]["sealed"]
        torch.save(state, path)
    whole, generator = path.read_bytes(), random.Random(12)
    progress, tensors = taken_up(clip, path)
    again = 0
    for _ in range(60):
        data = bytearray(whole)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(data)
        found = taken_up(clip, path)
        if found is None:
            again += 1
            assert not path.exists()
        else:
            assert found[0] == progress
            assert all(torch.equal(tensor, found[1][name]) for name, tensor in tensors.items())
    assert again >= (58 if sealed else 20)  # bytes between an archive's parts say nothing
    assert any(path.parent.glob("resume.ckpt.damaged-*"))


MISFITS = {
    "it has no optimizer_states": lambda state: state.pop("optimizer_states"),
    "0 optimisers": lambda state: state.update(optimizer_states=[]),
    "learner.ctx has shape": lambda state: state["state_dict"].update({"learner.ctx": torch.zeros(3, 8)}),
    "learner.ctx holds NaN": lambda state: state["state_dict"]["learner.ctx"].fill_(float("nan")),
    "learner.ctx is missing": lambda state: state["state_dict"].pop("learner.ctx"),
    "optimiser's state holds NaN": lambda state: [
        value.fill_(float("nan"))
        for entry in state["optimizer_states"][0]["state"].values()
        for value in entry.values()
        if isinstance(value, torch.Tensor)
    ],
    "it is of epoch 7": lambda state: state.update(epoch=7),
    "no such stage": lambda state: state["promptlab"]["progress"].update(stage=9),
    "'promptlab'": lambda state: state.pop("promptlab"),
}


@pytest.mark.parametrize("problem", MISFITS)
def test_a_state_that_loads_but_does_not_fit_is_put_aside(clip, killed_late, tmp_path, caplog, problem):
    path = copy_of(killed_late, tmp_path)
    path.with_name("whole.ckpt").write_bytes(path.read_bytes())
    state = torch.load(path, weights_only=True)
    del state["promptlab"]["sealed"]
    MISFITS[problem](state)
    torch.save(state, path)
    with caplog.at_level(logging.WARNING):
        assert taken_up(clip, path) is None
    assert problem in caplog.text
    assert "the fit starts again" in caplog.text
    assert not path.exists()
    assert len(list(tmp_path.glob("resume.ckpt.damaged-*"))) == 1


def test_a_state_that_was_changed_is_put_aside_and_the_fit_gives_what_it_gives(
    clip, bank, unbroken, killed_late, tmp_path, caplog
):
    whole, expected = unbroken()
    path = copy_of(killed_late, tmp_path)
    state = torch.load(path, weights_only=True)
    state["state_dict"]["learner.ctx"] += 1e-3
    torch.save(state, path)
    with caplog.at_level(logging.WARNING):
        again, report = fitted(clip, bank, tmp_path)
    assert "it was changed after it was written" in caplog.text
    assert report.curve == expected.curve
    assert torch.equal(whole.ctx, again.ctx)

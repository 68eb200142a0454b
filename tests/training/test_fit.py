"""Fitting: what Lightning runs, what stays untouched, what is refused."""

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from promptlab.evaluation.evaluate import evaluate, logits_of
from promptlab.evaluation.predict import predict
from promptlab.features.bank import FeatureBank
from promptlab.learners import ClosedFormStage, CoOp, PromptLearner
from promptlab.learners.base.optim import Optim
from promptlab.training.fit import fit
from tests.helpers.fits import NAMES, QUIET, Squares, items
from tests.helpers.models import freeze, tiny_clip, tiny_model


@pytest.fixture
def bank(tmp_path):
    return FeatureBank(tmp_path / "features.sqlite")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


class StopsAtOnce(Callback):
    def on_fit_start(self, trainer, pl_module):
        trainer.fit_loop.max_epochs = 0


def coop(clip, epochs=3, **kwargs):
    return CoOp(clip, NAMES, n_ctx=2, optim=Optim(epochs=epochs, batch_size=8, **kwargs))


def test_the_learning_curve_has_every_epoch(clip, bank):
    learner = coop(clip, epochs=4)
    report = fit(learner, items(), bank=bank, views=2, seed=3, trainer=QUIET)
    assert [point.epoch for point in report.curve] == [0, 1, 2, 3]
    assert [point.learning_rate for point in report.curve] == [learner.optim.lr_at(k) for k in range(4)]
    assert all(0 <= point.accuracy <= 1 and point.stage == "context" for point in report.curve)
    assert report.selection == "last epoch"


def test_fit_equals_a_plain_loop(clip, bank):
    """Lightning adds nothing and loses nothing: the same steps by hand give the same bits."""
    from promptlab.training.loaders import FeatureLoader

    learner, plain = coop(clip, epochs=3), coop(clip, epochs=3)
    report = fit(learner, items(), bank=bank, views=2, seed=3, trainer=QUIET)
    features = bank.features(clip, items(), views=2)
    batches = FeatureLoader(features, torch.from_numpy(items().labels), batch_size=8, seed=3, stage="context")
    optimiser = plain.optim.build([plain.ctx])
    for epoch in range(3):
        batches.set_epoch(epoch)
        optimiser.param_groups[0]["lr"] = plain.optim.lr_at(epoch)
        losses = []
        for batch in batches:
            optimiser.zero_grad()
            loss = plain.loss(batch)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert report.curve[epoch].loss == pytest.approx(np.mean(losses), rel=1e-6)
    assert torch.equal(learner.ctx, plain.ctx)


@pytest.mark.parametrize("views", [0, 2, "online"])
def test_learning_helps_with_any_views(clip, bank, views):
    learner = coop(clip, epochs=25, lr=0.05)
    before = evaluate(learner, items(), bank).top1
    state = torch.random.get_rng_state()
    report = fit(learner, items(), bank=bank, views=views, trainer=QUIET)
    assert report.curve[-1].loss < report.curve[0].loss
    assert evaluate(learner, items(), bank).top1 > before
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("views", [2, "online"])
def test_same_seed_same_bits(clip, bank, views):
    contexts = []
    for state in (0, 1):
        torch.manual_seed(state)
        learner = coop(clip, epochs=2)
        fit(learner, items(), bank=bank, views=views, seed=5, trainer=QUIET)
        contexts.append(learner.ctx.detach())
    assert torch.equal(*contexts)


def test_frozen_means_frozen(bank):
    """P19 and P20: batch statistics, bytes and eval mode of a ResNet tower survive a fit that re-encodes images."""
    clip = freeze(tiny_model(resnet=True))
    before = {name: tensor.clone() for name, tensor in clip.model.state_dict().items()}
    learner = coop(clip, epochs=2)
    clip.train()
    clip.model.train()  # even if somebody asks for it
    start = learner.ctx.detach().clone()
    fit(learner, items(0, 12), bank=bank, views="online", trainer=QUIET)
    assert not torch.equal(start, learner.ctx)
    assert not any(module.training for module in clip.model.modules())
    assert any("running_mean" in name for name in before)
    for name, tensor in clip.model.state_dict().items():
        assert torch.equal(before[name], tensor), name


def test_validation_keeps_the_best_epoch(clip, bank):
    learner = coop(clip, epochs=6, lr=0.5, warmup_epochs=0)
    report = fit(learner, items(0, 30), val=items(30, 60), bank=bank, views=0, select="val", trainer=QUIET)
    scores = [point.val_accuracy for point in report.curve]
    assert evaluate(learner, items(30, 60), bank).top1 == pytest.approx(max(scores))
    assert report.selection == f"best on validation images (epoch {scores.index(max(scores))})"


def test_a_diverging_loss_stops_the_run(clip, bank):
    learner = coop(clip, lr=1000.0, weight_decay=1000.0, warmup_epochs=0, schedule="constant")
    with pytest.raises(
        FloatingPointError, match=r"context: the loss is (nan|inf) in epoch \d+, step \d+.*try a smaller"
    ):
        fit(learner, items(), bank=bank, views=0, trainer=QUIET)


def test_the_learner_ends_where_its_backbone_is(clip, bank, monkeypatch):
    """Lightning takes its module to the CPU when it is done; a fit brings the learner back."""
    learner, moves = coop(clip, epochs=1), []
    monkeypatch.setattr(learner, "to", lambda device: moves.append(device))
    fit(learner, items(), bank=bank, views=0, trainer=QUIET)
    assert moves == [clip.device]


def test_an_interrupt_stays_an_interrupt(clip, bank):
    learner = coop(clip)

    def interrupted(batch):
        raise KeyboardInterrupt

    learner.loss = interrupted
    with pytest.raises(KeyboardInterrupt):
        fit(learner, items(), bank=bank, views=0, trainer=QUIET)
    assert not learner._forward_hooks


class MeanFeature(PromptLearner):
    """A closed form, for the path that gradients don't take."""

    def __init__(self, clip, class_names):
        super().__init__(clip, class_names)
        self.register_buffer("means", torch.zeros(len(class_names), clip.dim))

    def forward(self, inputs):
        return self.clip.logit_scale * inputs @ self.means.T

    def fit_plan(self):
        return [ClosedFormStage("means", self.solve)]

    def solve(self, train, val):
        self.seen = train, val
        self.means.copy_(torch.stack([train.inputs[train.labels == c].mean((0, 1)) for c in range(3)]))

    def select(self, class_indices):
        return self


def test_closed_forms_get_all_views_and_validation(clip, bank):
    learner = MeanFeature(clip, NAMES)
    report = fit(learner, items(0, 30), val=items(30, 40), bank=bank, views=2)
    train, val = learner.seen
    assert torch.equal(train.inputs, bank.features(clip, items(0, 30), views=2))
    assert torch.equal(train.labels, torch.from_numpy(items(0, 30).labels))
    assert torch.equal(val.inputs, bank.features(clip, items(30, 40)))
    assert report.curve == ()
    assert evaluate(learner, items(40, 60), bank).top1 > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"select": "best"}, r"select='best'\): one of last, val, test"),
        ({"select": "val"}, "needs validation images"),
        ({"select": "test"}, "needs test_accuracy"),
        ({"test_accuracy": float}, "needs test_accuracy, and nothing else takes one"),
        ({"views": -1}, "or online is needed"),
        ({"trainer": {"max_epochs": 3}}, "epochs belong to the learner"),
        ({"trainer": {"precision": "bf16-true"}}, "learned vectors stay fp32"),
        ({"trainer": {"limit_train_batches": 0}}, "limit_train_batches=0: a number of batches from 1"),
        ({"trainer": {"limit_train_batches": 0.01}}, r"stage 'context' can't run .* 0\.01"),
        ({"trainer": {"callbacks": StopsAtOnce()}}, "trained nothing"),
        ({"trainer": {"devices": 2}}, "one fit trains on one device"),
    ],
)
def test_bad_options_are_named(clip, bank, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(coop(clip), items(), bank=bank, **arguments)


def test_predict_gives_probabilities_of_files_and_pictures(clip, tmp_path, bank):
    path = tmp_path / "red.png"
    Squares().open(0).save(path)
    learner = coop(clip)
    probabilities = predict(learner, [path, Squares().open(0), str(path)])
    assert probabilities.shape == (3, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(3))
    torch.testing.assert_close(probabilities[0], probabilities[1])
    expected = logits_of(learner, items(0, 1), bank).softmax(-1)[0]
    torch.testing.assert_close(probabilities[0], expected, atol=1e-4, rtol=0)


def test_what_options_switch_for_the_process_ends_with_the_fit(clip, bank):
    seen = []

    class Watch(Callback):
        def on_train_start(self, trainer, pl_module):
            seen.append((torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark))

    fit(coop(clip, 1), items(), bank=bank, views=0, trainer={**QUIET, "callbacks": Watch(), "deterministic": True})
    fit(coop(clip, 1), items(), bank=bank, views=0, trainer={**QUIET, "callbacks": [Watch()], "benchmark": True})
    assert seen == [(True, False), (False, True)]
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark) == (False, False)


def test_the_environment_sets_no_option(clip, bank, monkeypatch):
    expected = fit(coop(clip), items(), bank=bank, views=0, seed=3, trainer=QUIET)
    monkeypatch.setenv("PL_TRAINER_LIMIT_TRAIN_BATCHES", "1")
    monkeypatch.setenv("PL_TRAINER_DEVICES", "2")
    assert fit(coop(clip), items(), bank=bank, views=0, seed=3, trainer=QUIET).curve == expected.curve


@pytest.mark.parametrize(
    ("optim", "said"),
    [
        ({"epochs": 1}, "its only epoch is warm-up, at a learning rate of 1e-05, not 0.002"),
        ({"epochs": 2, "warmup_epochs": 2}, "its 2 epochs are all warm-up"),
        ({"epochs": 2}, None),
        ({"epochs": 1, "warmup_epochs": 0}, None),
        ({"epochs": 1, "warmup_lr": 0.002}, None),
    ],
    ids=str,
)
def test_a_stage_that_only_warms_up_is_warned_of(clip, bank, caplog, optim, said):
    learner = CoOp(clip, NAMES, n_ctx=2, optim=Optim(batch_size=32, **optim))
    report = fit(learner, items(0, 6), bank=bank, views=0, trainer=QUIET)
    assert [f"stage context learns next to nothing: {said}" in note for note in report.notes] == [True] * bool(said)
    assert all(note in caplog.text for note in report.notes)

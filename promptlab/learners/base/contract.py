"""The tests that every learner passes, for learners of promptlab and of others.

A plug-in inherits them in three lines::

    from promptlab.learners.base.contract import LearnerContract

    class TestMine(LearnerContract):
        learner = MyLearner

They need no pytest at run time: each is a method that raises AssertionError. ``arguments`` are the learner's
hyper-parameters for the tests.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.weights.load import load_clip
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.offers import Offers
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage

NAMES = ("red striped star", "blue circle", "green dotted moon", "white cross", "pink arrow")
OTHER_NAMES = ("yellow ring", "purple plaid square", "orange heart")
TEMPLATE = "a photo of a {}."


class LearnerContract:
    """Shapes, what trains, the backbone untouched, save and load, select, rebind, determinism, autocast."""

    learner: ClassVar[type[PromptLearner]]
    arguments: ClassVar[Mapping[str, Any]] = {}

    def make(self, seed: int = 1) -> PromptLearner:
        """A fresh learner over five classes of the embedded demo."""
        offers = Offers(
            template=TEMPLATE,
            has_images=tuple(label < 3 or not self.learner.uses_new_names for label in range(len(NAMES))),
            generator=torch.Generator().manual_seed(seed),
        )
        return self.learner(backbone(), NAMES, **offers.to(self.learner), **self.arguments)

    def test_logits_have_a_row_per_image_and_a_column_per_class(self) -> None:
        """``forward`` gives finite logits (B, C).

        Why: evaluation, probabilities and ``select`` all read column c as class c.
        """
        learner, batch = self.make(), self.batch()
        logits = learner(batch.inputs)
        assert logits.shape == (len(batch.labels), len(NAMES)), f"logits have shape {tuple(logits.shape)}"
        assert logits.isfinite().all(), "logits are not finite"

    def test_loss_is_a_finite_number(self) -> None:
        """``loss`` gives a finite scalar.

        Why: that is what a gradient stage minimises.
        """
        learner = self.make()
        loss = learner.loss(_seen_in_training(learner, self.batch()))
        assert loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}, not a single number"
        assert loss.isfinite(), "the loss is not finite"

    def test_only_what_the_plan_names_trains(self) -> None:
        """Some stage names every parameter; a step changes each of them, and nothing else.

        Why: a parameter that the plan forgets stays at its random start and is saved as if it were learned.
        """
        learner = self.make()
        before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
        trained = {id(p) for stage in _gradient_stages(learner) for p in stage.parameters}
        forgotten = [name for name, p in learner.named_parameters() if p.requires_grad and id(p) not in trained]
        assert not (trained and forgotten), (
            f"no stage of the fit plan names {', '.join(forgotten)}: add it to one, or make it a buffer"
        )
        _train(learner, self.batch())
        for name, parameter in learner.named_parameters():
            changed = not torch.equal(before[name], parameter)
            assert changed == (id(parameter) in trained), (
                f"{name} {'changed' if changed else 'did not change'} although the fit plan "
                f"{'does not name' if changed else 'names'} it"
            )

    def test_learned_tensors_are_fp32(self) -> None:
        """Learned tensors stay fp32 whatever the backbone's precision.

        Why: fp16 vectors lose small steps and turn into NaN; the field's most common complaint.
        """
        for name, tensor in self.make().learned_tensors().items():
            assert tensor.dtype == torch.float32 or not tensor.is_floating_point(), f"{name} is {tensor.dtype}"

    def test_backbone_is_untouched(self) -> None:
        """Training leaves the backbone's bytes, its eval mode and its gradients alone, and does not register it.

        Why: a backbone that drifts makes cached features wrong, and one that is registered is saved with every prompt.
        """
        learner = self.make()
        learner.clip.model.eval()  # whatever learner was tested before
        before = _digest(learner.clip)
        learner.train()
        _train(learner, self.batch())
        assert _digest(learner.clip) == before, "training changed the frozen backbone"
        own = {id(parameter) for parameter in learner.clip.model.parameters()}
        assert not own & {id(p) for p in learner.parameters()}, "the backbone is registered as a part of the learner"
        assert all(p.grad is None for p in learner.clip.model.parameters()), "the backbone collected gradients"
        assert not any(module.training for module in learner.clip.model.modules()), "the backbone left eval mode"

    def test_same_seed_same_learner(self) -> None:
        """Equal generators and batches give equal bits; torch's global state plays no part.

        Why: otherwise a run can't be repeated or resumed, and its id says nothing. Draw the start from the
        ``generator`` that the constructor is offered, and random numbers of a loss from ``batch.generator``.
        """
        with torch.random.fork_rng(devices=[]):
            results = []
            for state in (1, 2):
                torch.manual_seed(state)
                learner = self.make(seed=5)
                _train(learner, self.batch())
                results.append(learner.learned_tensors())
        for name, tensor in results[0].items():
            assert torch.equal(tensor, results[1][name]), f"{name} depends on torch's global random state"

    def test_save_and_load(self) -> None:
        """A fresh learner with the learned tensors scores as the old one; wrong tensors are refused.

        Why: finished runs are found again by their tensors; what isn't a parameter or a buffer is lost.
        """
        learner, batch = self.make(seed=1), self.batch()
        _train(learner, batch)
        other = self.make(seed=2).load_learned(copy.deepcopy(dict(learner.learned_tensors())))
        with torch.no_grad():
            _close(other.eval()(batch.inputs), learner.eval()(batch.inputs), "a loaded learner scores otherwise")
        try:
            other.load_learned({**learner.learned_tensors(), "surplus": torch.zeros(1)})
        except ValueError:
            return
        raise AssertionError("load_learned takes tensors that the learner doesn't have")

    def test_select_scores_some_classes(self) -> None:
        """``select`` gives the columns of the chosen classes, in their order.

        Why: protocols score base and new classes by it. ``per_class`` names every tensor with an entry per class.
        """
        learner, batch = self.make().eval(), self.batch()
        chosen = learner.select([3, 0])
        assert chosen.class_names == (NAMES[3], NAMES[0]), f"select([3, 0]) has classes {chosen.class_names}"
        with torch.no_grad():
            _close(chosen(batch.inputs), learner(batch.inputs)[:, [3, 0]], "select([3, 0]) gives other columns")

    def test_rebind_or_its_refusal(self) -> None:
        """``rebind`` scores other names if the learner is ``open_vocabulary``, and raises TypeError otherwise.

        Why: a learner that scores names it knows nothing about would show numbers that mean nothing.
        """
        learner, batch = self.make().eval(), self.batch()
        if learner.open_vocabulary:
            with torch.no_grad():
                logits = learner.rebind(OTHER_NAMES, TEMPLATE)(batch.inputs)
                again = learner.rebind(NAMES, TEMPLATE)(batch.inputs)
                _close(again, learner(batch.inputs), "rebind to the own names changes the scores")
                own = [1, *[None] * len(OTHER_NAMES)]
                joint = learner.extend((NAMES[1], *OTHER_NAMES), TEMPLATE, own)(batch.inputs)
            assert logits.shape == (len(batch.labels), len(OTHER_NAMES))
            assert joint.shape == (len(batch.labels), 1 + len(OTHER_NAMES))
            return
        try:
            learner.rebind(OTHER_NAMES, TEMPLATE)
        except TypeError:
            return
        raise AssertionError("open_vocabulary is False, but rebind doesn't raise TypeError")

    def test_scorer_equals_forward(self) -> None:
        """``scorer`` may compute ahead, but scores as ``forward`` does.

        Why: training uses the one, evaluation the other.
        """
        learner, batch = self.make().eval(), self.batch()
        with torch.no_grad():
            _close(learner.scorer()(batch.inputs), learner(batch.inputs), "scorer() and forward() differ")

    def test_autocast(self) -> None:
        """Loss and gradients stay finite under bf16 autocast on the CPU.

        Why: ``trainer.precision=bf16-mixed`` is one word away for users.
        """
        learner = self.make()
        batch = _seen_in_training(learner, self.batch())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = learner.loss(batch)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        assert loss.isfinite(), "the loss is not finite under autocast"
        for name, parameter in learner.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"

    def batch(self) -> Batch:
        """Six items: features (6, D) or images (6, 3, H, W), whichever the learner needs.

        A learner that ``uses_new_names`` gets items of the first three classes alone, as its ``has_images`` says.
        """
        clip, generator = backbone(), torch.Generator().manual_seed(0)
        labels = torch.tensor([0, 1, 2, 0, 1, 2] if self.learner.uses_new_names else [0, 1, 2, 3, 4, 0])
        losses = torch.Generator().manual_seed(0)
        if self.learner.needs == "images":
            return Batch(torch.randn(6, 3, clip.image_size, clip.image_size, generator=generator), labels, losses)
        features = torch.randn(6, clip.dim, generator=generator)
        return Batch(torch.nn.functional.normalize(features, dim=-1), labels, losses)


@cache
def backbone() -> FrozenCLIP:
    """The embedded demo."""
    return load_clip("demo")


def _gradient_stages(learner: PromptLearner) -> list[GradientStage]:
    return [stage for stage in learner.fit_plan() if isinstance(stage, GradientStage)]


def _train(learner: PromptLearner, batch: Batch) -> None:
    """Two steps of every gradient stage, and every closed form."""
    for stage in learner.fit_plan():
        if isinstance(stage, ClosedFormStage):
            others = batch.inputs.unsqueeze(1) if stage.uses_unlabelled else None
            with torch.no_grad():
                stage.solve(batch._replace(inputs=batch.inputs.unsqueeze(1), unlabelled=others), batch)
            continue
        optimiser, seen = stage.optim.build_groups(stage.all_groups()), _as_seen(stage, batch)
        for _ in range(2):
            optimiser.zero_grad()
            stage.loss(seen).backward()  # type: ignore[no-untyped-call]
            if stage.after_backward is not None:
                stage.after_backward(seen)
            optimiser.step()


def _as_seen(stage: GradientStage, batch: Batch) -> Batch:
    """The batch as a stage asks for it: with as many views, all alike, and with unlabelled inputs."""
    inputs = torch.stack([batch.inputs] * len(stage.views), 1) if stage.views else batch.inputs
    return batch._replace(inputs=inputs, unlabelled=inputs.flip(0) if stage.uses_unlabelled else None)


def _seen_in_training(learner: PromptLearner, batch: Batch) -> Batch:
    """The batch as the first gradient stage asks for it, which ``loss`` is usually the loss of."""
    stages = _gradient_stages(learner)
    return _as_seen(stages[0], batch) if stages else batch


def _digest(clip: FrozenCLIP) -> str:
    digest = hashlib.sha256()
    for tensor in clip.model.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _close(actual: Tensor, expected: Tensor, message: str) -> None:
    assert actual.shape == expected.shape, f"{message}: shapes {tuple(actual.shape)} and {tuple(expected.shape)}"
    difference = float((actual - expected).abs().max())
    assert difference <= 1e-3, f"{message}: by up to {difference:.2g}"

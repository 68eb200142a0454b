"""The tests of a learner's training: what it minimises, what changes by it, and that it can be repeated."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from promptlab.learners.base.balance import Balance
from promptlab.learners.base.contract.case import NAMES, LearnerCase
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.short_fit import as_seen, gradient_stages, short_fit, short_fit_cut_in_two
from promptlab.learners.base.stages import Batch
from promptlab.learners.base.takes_balance import why_unbalanced


class TrainsAsPlanned(LearnerCase):
    """Loss, what trains, the backbone untouched, determinism, cut fits, autocast."""

    def test_loss_is_a_finite_number(self) -> None:
        """``loss`` gives a finite scalar, and another one under a balance if the learner says that it ``balances``.

        Why: that is what a gradient stage minimises; a balance that is taken and does nothing goes unseen.
        """
        learner = self.make()
        loss = learner.loss(_seen_in_training(learner, self.batch()))
        assert loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}, not a single number"
        assert loss.isfinite(), "the loss is not finite"
        if not why_unbalanced(learner):
            learner.balance = Balance(priors=torch.arange(len(NAMES), device=loss.device).float())
            balanced = learner.loss(_seen_in_training(learner, self.batch()))
            assert not torch.equal(balanced, loss), "the loss balances, but not by self.balance.cross_entropy"

    def test_only_what_the_plan_names_trains(self) -> None:
        """Some stage names every parameter; a step changes each of them, and nothing else.

        Why: a parameter that the plan forgets stays at its random start and is saved as if it were learned.
        """
        learner = self.make()
        before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
        trained = {id(p) for stage in gradient_stages(learner) for p in stage.parameters}
        forgotten = [name for name, p in learner.named_parameters() if p.requires_grad and id(p) not in trained]
        assert not (trained and forgotten), (
            f"no stage of the fit plan names {', '.join(forgotten)}: add it to one, or make it a buffer"
        )
        short_fit(learner, self.batch())
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
        before = copy.deepcopy(learner.clip.model.state_dict())
        learner.train()
        short_fit(learner, self.batch())
        after = learner.clip.model.state_dict()
        assert _same_bits(before, after), "training changed the frozen backbone"
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
                short_fit(learner, self.batch())
                results.append(learner.learned_tensors())
        for name, tensor in results[0].items():
            assert torch.equal(tensor, results[1][name]), f"{name} depends on torch's global random state"

    def test_a_fit_cut_in_two_gives_the_same_bits(self) -> None:
        """A fit that is killed and gone on with learns what an uninterrupted one does.

        Why: a run that was killed goes on from parameters, buffers and the optimiser's state. What training changes
        besides is lost: make it a buffer (``register_buffer``). Random numbers come from ``batch.generator``.
        """
        batch = self.batch()
        whole = short_fit(self.make().train(), batch)
        parts = short_fit_cut_in_two(lambda: self.make().train(), batch)
        names = [name for name, tensor in whole.state_dict().items() if not _equal(tensor, parts.state_dict()[name])]
        assert not names, (
            f"{', '.join(names)}: other bits after an interruption; something that training changes is kept outside of "
            "parameters and buffers, and is lost when a fit goes on: make it a buffer (register_buffer)"
        )

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


def _seen_in_training(learner: PromptLearner, batch: Batch) -> Batch:
    """The batch as the first gradient stage asks for it, which ``loss`` is usually the loss of."""
    stages = gradient_stages(learner)
    return as_seen(stages[0], batch) if stages else batch


def _same_bits(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(one, second[name]) for name, one in first.items())


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second)

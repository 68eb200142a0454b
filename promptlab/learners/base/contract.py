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
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.weights.load import load_clip
from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.base.balance import Balance
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.new_process import Saved, scores_in_new_process
from promptlab.learners.base.offers import Offers
from promptlab.learners.base.short_fit import as_seen, gradient_stages, short_fit, short_fit_cut_in_two
from promptlab.learners.base.stages import Batch
from promptlab.learners.base.takes_balance import why_unbalanced

NAMES = ("red striped star", "blue circle", "green dotted moon", "white cross", "pink arrow")
OTHER_NAMES = ("yellow ring", "purple plaid square", "orange heart")
TEMPLATE = "a photo of a {}."


class LearnerContract:
    """Shapes, what trains, the backbone untouched, cut fits, save and load, select, rebind, determinism, autocast."""

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

    def test_save_and_load(self) -> None:
        """A fresh learner with the learned tensors scores as the old one; wrong tensors are refused.

        Why: finished runs are found again by their tensors; what isn't a parameter or a buffer is lost.
        """
        learner, batch = self.make(seed=1), self.batch()
        short_fit(learner, batch)
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
        learner, batch = self.trained(), self.batch()
        chosen = learner.select([3, 0])
        assert chosen.class_names == (NAMES[3], NAMES[0]), f"select([3, 0]) has classes {chosen.class_names}"
        with torch.no_grad():
            logits = learner(batch.inputs)
            for columns in ([3, 0], [2], [4, 3, 2, 1, 0]):
                part = learner.select(columns)
                message = f"select({columns}) gives other logits than these columns of all classes' logits"
                _close(part(batch.inputs), logits[:, columns], message)
                _close(part.scorer()(batch.inputs), logits[:, columns], f"the scorer of {message}")
            again = learner.select([4, 3, 0]).select([1])(batch.inputs)
            _close(again, logits[:, [3]], "select([4, 3, 0]).select([1]) gives other logits than column 3")
            _close(learner(batch.inputs), logits, "select changes the learner that it is called on")

    def test_rows_are_scored_alone_as_together(self) -> None:
        """An image's logits are the same whichever images are scored with it, and in whatever order.

        Why: evaluation scores a hundred at a time, ``predict`` maybe one. A method that needs all test images at once
        says ``transductive = True`` and scores them in ``score_together``: Results are marked by it.
        """
        if self.learner.transductive:
            return
        learner = self.trained()
        inputs = _seen_in_testing(learner, self.batch().inputs)
        scorer = adapting_scorer(learner) if learner.test_time else learner.scorer()
        with torch.no_grad():
            together = scorer(inputs)
            alone = torch.cat([scorer(row) for row in torch.split(inputs, 1)])
            turned = scorer(inputs.flip(0)).flip(0)
        advice = (
            ": logits may depend on the image alone; a method that looks at all test images at once says "
            "transductive = True and defines score_together"
        )
        _close(alone, together, "an image scored alone has other logits than among others", advice)
        _close(turned, together, "the order of images changes their logits", advice)

    def test_rebind_or_its_refusal(self) -> None:
        """``rebind`` scores other names if the learner is ``open_vocabulary``, and raises TypeError otherwise.

        Why: a learner that scores names it knows nothing about would show numbers that mean nothing.
        """
        learner, batch = self.trained(), self.batch()
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
        learner, batch = self.trained(), self.batch()
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

    def test_a_new_process_scores_the_same(self) -> None:
        """What is learned, loaded in a new process, scores as it does here.

        Why: a saved learner is its arguments, its class names and its tensors. What else it holds (a variable of its
        module, the order of a set, a file) is another one elsewhere.
        """
        saved = self.saved()
        (found,) = scores_in_new_process([saved])
        require_same(saved, found)

    def saved(self) -> Saved:
        """A trained learner as a new process gets it."""
        return Saved.of(self.trained(), self.batch().inputs)

    def trained(self) -> PromptLearner:
        """A learner after a few steps, in eval mode."""
        return short_fit(self.make().train(), self.batch()).eval()

    def batch(self) -> Batch:
        """Six items: features (6, D) or (6, V), or images (6, 3, H, W), whichever the learner needs and reads.

        A learner that ``uses_new_names`` gets items of the first three classes alone, as its ``has_images`` says.
        """
        clip, generator = backbone(), torch.Generator().manual_seed(0)
        needs, reads, normalised = _inputs_of(type(self))  # type: ignore[arg-type]  # mypy: a class's __hash__ is its objects'
        labels = torch.tensor([0, 1, 2, 0, 1, 2] if self.learner.uses_new_names else [0, 1, 2, 3, 4, 0])
        losses = torch.Generator().manual_seed(0)
        if needs == "images":
            return Batch(torch.randn(6, 3, clip.image_size, clip.image_size, generator=generator), labels, losses)
        width = clip.dim if reads == "projected" else clip.pre_projection_width
        features = torch.nn.functional.normalize(torch.randn(6, width, generator=generator), dim=-1)
        if not normalised:
            features = features * torch.linspace(5, 15, 6).unsqueeze(1)
        return Batch(features, labels, losses)


def require_same(saved: Saved, found: Tensor | str) -> None:
    """Make sure that a new process scored as this one did.

    Args:
        saved: what it was asked.
        found: its answer, an item of :func:`scores_in_new_process`.
    """
    assert isinstance(found, Tensor), f"a new process can't load it: {found}"
    advice = (
        ": what it holds besides its tensors must follow from its arguments and class names alone, not from variables "
        "of a module or the order of a set"
    )
    _close(found, saved.logits, "what is learned scores otherwise in a new process", advice)


@cache
def backbone() -> FrozenCLIP:
    """The embedded demo."""
    return load_clip("demo")


@cache
def _inputs_of(contract: type[LearnerContract]) -> tuple[str, str, bool]:
    """What its learner ``needs``, ``reads`` and whether that is ``normalised``: around another, what that one takes."""
    learner = contract().make()
    return learner.needs, learner.reads, learner.normalised


def _seen_in_training(learner: PromptLearner, batch: Batch) -> Batch:
    """The batch as the first gradient stage asks for it, which ``loss`` is usually the loss of."""
    stages = gradient_stages(learner)
    return as_seen(stages[0], batch) if stages else batch


def _seen_in_testing(learner: PromptLearner, inputs: Tensor) -> Tensor:
    """(B, ...), or of a learner with K ``test_views`` (B, K, ...), the views of an image a little apart."""
    if not learner.test_views:
        return inputs
    shape = (len(inputs), learner.test_views, *inputs.shape[1:])
    return inputs.unsqueeze(1) + 0.01 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _same_bits(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(one, second[name]) for name, one in first.items())


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second)


def _close(actual: Tensor, expected: Tensor, message: str, advice: str = "") -> None:
    assert actual.shape == expected.shape, f"{message}: shapes {tuple(actual.shape)} and {tuple(expected.shape)}"
    difference = float((actual - expected).abs().max())
    assert difference <= 1e-3, f"{message}, by up to {difference:.2g}{advice}"

"""Every learner on a pretended device: nothing is mixed, and no gradient step waits for the device."""

from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy

from promptlab.clip import load_clip
from promptlab.evaluation.evaluate import logits_of
from promptlab.features.bank import FeatureBank
from promptlab.learners import GradientStage
from promptlab.training import gradient_stage
from promptlab.training.fit import fit
from promptlab.training.module import StageModule
from tests.helpers.fits import NAMES, QUIET, items
from tests.helpers.kept_texts import kept_texts
from tests.helpers.learners import LEARNERS
from tests.helpers.pretended import DEVICE, PretendedDevice


def shortened(plan):
    """Two steps of each stage: the first prepares, the second is watched."""

    def short(optim):
        changes = {"steps": 2, "warmup_steps": 0} if optim.steps is not None else {"epochs": 1, "warmup_epochs": 0}
        return replace(optim, **changes, batch_size=4)

    return [
        replace(one, optim=short(one.optim), epoch_weights=one.epoch_weights and (1.0,))
        if isinstance(one, GradientStage)
        else one
        for one in plan
    ]


FIRST = {kind: case for case, (kind, _) in reversed(LEARNERS.items())}
CASES = [*FIRST.values(), "ship's gan around cocoop", "ship around dept"]
"""A case of each class of learner."""
READS = ("learners/plot.py",)
"""What may read: PLOT's transport ends once its error is small, and all its rounds in every step would take longer."""
UNPRETENDED = dict.fromkeys(("transclip", "transclip few-shot", "zlap", "zlap inductive"), "sparse tensors")
"""What tensors that wrap others can't do."""
OTHER_ARGUMENTS = {"clip-lora": {"dropout": 0.0}}
"""Its dropout has a generator of the device's own."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """What all read of the same pictures: only steps are watched."""
    return FeatureBank(tmp_path_factory.mktemp("bank") / "features.sqlite")


@pytest.fixture(scope="module")
def clip():
    """The demo on the pretended device, frozen, with the texts that many are made with."""
    with PretendedDevice():
        loaded = load_clip("demo", device=DEVICE)
    with kept_texts(loaded):
        yield loaded


class Anywhere(CPUAccelerator):
    """Sets up no device."""

    def setup_device(self, device):
        pass


@pytest.fixture
def lightning_there(monkeypatch):
    """Lightning knows no such device: it is told where to put batches."""
    plain = gradient_stage.trainer_arguments

    def arguments(options, optim, device, bar):
        place = {"accelerator": "auto", "strategy": SingleDeviceStrategy(DEVICE, accelerator=Anywhere())}
        return plain(options, optim, torch.device("cpu"), bar) | place

    monkeypatch.setattr(gradient_stage, "trainer_arguments", arguments)
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # tensors that wrap others know none


def watched_steps(device):
    """Count what gradient steps wait for, but for a stage's first: what never changes is prepared in that one."""
    plain = StageModule.optimizer_step

    def step(self, *args, **kwargs):
        with device.watched() if self.trainer.global_step else nullcontext():
            return plain(self, *args, **kwargs)

    return patch.object(StageModule, "optimizer_step", step)


@pytest.mark.parametrize("case", CASES)
def test_a_fit_mixes_nothing_and_no_step_waits(case, clip, bank, lightning_there):
    if case in UNPRETENDED:
        pytest.skip(f"{UNPRETENDED[case]} can't be pretended")
    kind, arguments = LEARNERS[case]
    arguments = arguments | OTHER_ARGUMENTS.get(case, {})
    extra = {"has_images": [True, True, False]} if kind.__name__ == "SHIP" else {}
    device = PretendedDevice()
    with device:
        learner = kind(clip, NAMES, **arguments, **extra)
        learner.fit_plan = lambda plan=learner.fit_plan: shortened(plan())
        with watched_steps(device):
            views = 2 if learner.needs == "features" else "online"
            fit(learner, items(0, 8), val=items(12, 18), unlabelled=items(18, 30), bank=bank, views=views,
                        trainer=QUIET)  # fmt: skip
        logits = logits_of(learner, items(30, 36), bank)
    assert clip.device == DEVICE
    reads = {line for line in device.reads if not any(place in line for place in READS)}
    assert not reads, "a gradient step reads values"
    assert not device.blocking, "a gradient step waits for copies"
    assert logits.shape[1] == len(NAMES)

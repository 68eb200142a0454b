"""The golden files of the prompt learners: a small CLIP, inputs, and what the authors' code computed."""

import json
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from tests.helpers.golden import read_golden
from tests.helpers.models import freeze, rule_model, rule_tensor


@dataclass(frozen=True)
class PromptsGolden:
    """One file, with its CLIP."""

    clip: FrozenCLIP
    names: list[str]
    expected: dict[str, Tensor]
    metadata: dict[str, str]

    @property
    def salt(self):
        return int(self.metadata["salt"])

    @property
    def labels(self):
        return self.expected["labels"].long()

    def drawn(self, name, shape, scale=None):
        """A tensor by the rule of golden/README.md."""
        return rule_tensor(name, shape, self.salt, scale)

    def of(self, prefix):
        """What belongs to one case, by name."""
        start = f"{prefix}."
        return {key.removeprefix(start): value for key, value in self.expected.items() if key.startswith(start)}


def prompts_golden(name):
    """Read ``NAME.safetensors`` and build its CLIP."""
    tensors, metadata = read_golden(f"{name}.safetensors")
    shapes = json.loads(metadata["clip"])
    clip = freeze(
        rule_model(
            int(metadata["salt"]), embed_dim=shapes["embed_dim"], text_width=shapes["transformer_width"],
            text_heads=shapes["transformer_heads"], text_layers=shapes["transformer_layers"],
            vision_layers=shapes["vision_layers"],
        ),
        "golden",
    )  # fmt: skip
    return PromptsGolden(clip, json.loads(metadata["class_names"]), tensors, metadata)


def hold(learner, theirs, batch, expected, *, after=1e-4):
    """Logits, loss, gradients and three steps of the published optimiser, against the authors' tensors.

    Args:
        learner: with the authors' parameters in place.
        theirs: the authors' name of each parameter of the learner.
        batch: inputs and labels.
        expected: ``logits``, ``loss``, ``grad.NAME``, ``losses`` and ``after_3_steps.NAME``.
        after: share of the largest entry that parameters may be apart after three steps.
    """
    assert theirs.keys() == dict(learner.named_parameters()).keys()
    torch.testing.assert_close(learner(batch.inputs), expected["logits"], atol=1e-4, rtol=0)
    loss = learner.loss(batch)
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    gradients_held(learner, loss, {name: f"grad.{own}" for name, own in theirs.items()}, expected)
    (stage,) = learner.fit_plan()
    optim = replace(stage.optim, epochs=1, steps=None, schedule="constant", warmup_epochs=0)
    kept = {name: f"after_3_steps.{own}" for name, own in theirs.items()}
    losses = steps_held(learner, optim, batch, kept, expected, after)
    if "losses" in expected:
        torch.testing.assert_close(losses, expected["losses"], atol=1e-4, rtol=1e-5)


def gradients_held(learner, loss, names, expected):
    """Gradients of the parameters, each by its name in the file."""
    parameters = dict(learner.named_parameters())
    for name, found in zip(parameters, torch.autograd.grad(loss, parameters.values()), strict=True):
        close_to_kept(found, expected, names[name], 1e-4)


def steps_held(learner, optim, batch, names, expected, relative):
    """Parameters after three steps on one batch, each by its name in the file; gives the losses (3,)."""
    optimiser, losses = optim.build(learner.parameters()), []
    for step in range(3):
        for group in optimiser.param_groups:
            group["lr"] = optim.lr_at(0, step, 3)
        optimiser.zero_grad()
        loss = learner.loss(batch)
        loss.backward()
        losses.append(loss.detach())
        optimiser.step()
    for name, parameter in learner.named_parameters():
        close_to_kept(parameter.detach(), expected, names[name], relative)
    return torch.stack(losses)


def close_to_kept(found, expected, name, relative):
    """To a tensor, or to its norm and its first entries where the file keeps no more of it."""
    if name in expected:
        return close(found, expected[name], relative)
    head = expected[f"{name}.head"]
    close(found.flatten()[: len(head)], head, relative)
    torch.testing.assert_close(found.norm(), expected[f"{name}.norm"], atol=0, rtol=relative)
    return None


def close(found, expected, relative):
    """To a share of the largest entry."""
    torch.testing.assert_close(found, expected, atol=relative * float(expected.abs().max()), rtol=0)

"""The data of golden/adapters.safetensors, which every feature-level method is held against."""

import json
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners import Batch
from promptlab.learners.base.stages import require_validation
from tests.helpers.golden import read_golden
from tests.helpers.models import freeze, rule_model, rule_tensor


@dataclass(frozen=True)
class AdaptersGolden:
    """The authors' inputs as promptlab gets them, and what their code computed."""

    clip: FrozenCLIP
    names: list[str]
    template: str
    templates: list[str]
    expected: dict[str, Tensor]
    salt: int

    def raw(self, part):
        """``train`` (N, K, D), ``val`` or ``test`` (n, D) as the image tower gives them."""
        return Batch(self.expected[f"{part}.features"], self.expected[f"{part}.labels"].long())

    def unit(self, part):
        """The same, L2-normalised."""
        batch = self.raw(part)
        return batch._replace(inputs=F.normalize(batch.inputs, dim=-1))

    def drawn(self, name, shape, scale=None):
        """A tensor by the rule of golden/README.md."""
        return rule_tensor(name, shape, self.salt, scale)

    def of(self, prefix):
        """What the authors' code computed of one method, by name."""
        return {
            key.removeprefix(f"{prefix}."): value
            for key, value in self.expected.items()
            if key.startswith(f"{prefix}.")
        }


def adapters_golden():
    """Read it, and build its CLIP."""
    tensors, metadata = read_golden("adapters.safetensors")
    sizes = {"embed_dim": 48, "text_width": 96, "text_heads": 4, "text_layers": 3, "vision_layers": 2}
    clip = freeze(rule_model(int(metadata["salt"]), **sizes), "golden")
    names, templates = json.loads(metadata["class_names"]), json.loads(metadata["templates"])
    return AdaptersGolden(clip, names, metadata["template"], templates, tensors, int(metadata["salt"]))


def solve(learner, train, val=None):
    """Run a learner's closed forms, refused as a fit refuses them."""
    if val is None:
        require_validation(learner.fit_plan(), type(learner).__name__)
    with torch.no_grad():
        for stage in learner.fit_plan():
            stage.solve(train, val)
    return learner


def unit_batch(clip, classes, each=4):
    """Random L2-normalised features, ``each`` of every class."""
    labels = torch.arange(classes).repeat(each)
    features = torch.randn(len(labels), clip.dim, generator=torch.Generator().manual_seed(5))
    return Batch(F.normalize(features, dim=-1), labels)

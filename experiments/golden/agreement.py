"""Print how far promptlab is from what the authors' own CoOp code computed (shared/golden beside the checkout)."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import json

from promptlab.learners import Batch
from promptlab.training import Optim
from tests.helpers.coop import CASES, learner_of
from tests.helpers.golden import read_golden
from tests.helpers.models import freeze, rule_model


def main() -> None:
    """One line per case: largest difference of logits, relative difference of gradients, and after ten steps."""
    tensors, metadata = read_golden("coop.safetensors")
    sizes = {"embed_dim": 48, "text_width": 96, "text_heads": 4, "text_layers": 3, "vision_layers": 2}
    clip = freeze(rule_model(int(metadata["salt"]), **sizes), "golden")
    names = json.loads(metadata["class_names"])
    batch = Batch(tensors["image_features"], tensors["labels"].long())
    print(f"{'case':24} {'logits':>9} {'loss':>9} {'gradient':>9} {'10 steps':>9}")
    for case in CASES:
        expected = {part: tensors[f"coop.{case}.{part}"] for part in ("ctx", "logits", "loss", "grad.ctx")}
        learner = learner_of(case, clip, names).load_learned({"ctx": expected["ctx"]})
        logits = float((learner(batch.inputs) - expected["logits"]).detach().abs().max())
        loss = learner.loss(batch)
        (grad,) = torch.autograd.grad(loss, learner.ctx)
        gradient = float((grad - expected["grad.ctx"]).norm() / expected["grad.ctx"].norm())
        optimiser = Optim(warmup_epochs=0, schedule="constant").build([learner.ctx])
        for _ in range(10):
            optimiser.zero_grad()
            learner.loss(batch).backward()
            optimiser.step()
        after = float((learner.ctx.detach() - tensors[f"coop.{case}.ctx_after_10_steps"]).abs().max())
        print(f"{case:24} {logits:9.1e} {float(loss.detach() - expected['loss']):9.1e} {gradient:9.1e} {after:9.1e}")


if __name__ == "__main__":
    main()

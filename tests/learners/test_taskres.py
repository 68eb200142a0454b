"""TaskRes against the paper's formula, and against what the authors' code computed."""

import pytest
import torch

from promptlab.learners import TaskRes, ZeroShot
from tests.helpers.adapters import adapters_golden, unit_batch
from tests.helpers.models import tiny_clip

NAMES = ["cat", "golden_retriever", "boat"]


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


def test_the_residual_is_added_to_the_raw_text_feature():
    clip = tiny_clip()
    learner = TaskRes(clip, NAMES, templates=["a {}.", "one {}"], alpha=0.7)
    images = unit_batch(clip, 5).inputs
    learner.residuals.data = torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(1))
    rows = []
    for image in images:
        row = []
        for name, x in zip(NAMES, learner.residuals, strict=True):
            name = name.replace("_", " ")
            raw = [clip.model.encode_text(clip.tokenizer([text]))[0] for text in (f"a {name}.", f"one {name}")]
            t = (raw[0] + raw[1]) / 2 + 0.7 * x
            row.append(clip.model.logit_scale.exp() * (image @ t) / t.norm())
        rows.append(torch.stack(row))
    torch.testing.assert_close(learner(images), torch.stack(rows), atol=1e-4, rtol=0)


def test_it_starts_as_zero_shot_clip():
    clip = tiny_clip()
    images = unit_batch(clip, 5).inputs
    torch.testing.assert_close(TaskRes(clip, NAMES)(images), ZeroShot(clip, NAMES)(images), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("case", "alpha"), [("taskres", 0.5), ("taskres.alpha1", 1.0), ("taskres.ensemble", 0.5)])
def test_the_authors_numbers(golden, case, alpha):
    expected, train, test = golden.of(case), golden.unit("train"), golden.unit("test")
    texts = {"templates": golden.templates} if "ensemble" in case else {"template": golden.template}
    learner, batch = TaskRes(golden.clip, golden.names, alpha=alpha, **texts), train._replace(inputs=train.inputs[:, 0])
    torch.testing.assert_close(learner.texts.features, expected["base_text_features"], atol=1e-5, rtol=1e-5)

    def check(prefix):
        loss = learner.loss(batch)
        (gradient,) = torch.autograd.grad(loss, learner.residuals)
        theirs = expected[f"{prefix}grad.text_feature_residuals"]
        torch.testing.assert_close(learner(batch.inputs), expected[f"{prefix}logits"], atol=1e-4, rtol=0)
        torch.testing.assert_close(loss, expected[f"{prefix}loss"], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(gradient, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)

    check("start.")
    optimiser = learner.optim.build([learner.residuals])
    optimiser.param_groups[0]["lr"] = 2e-3
    for _ in range(3):
        optimiser.zero_grad()
        learner.loss(batch).backward()
        optimiser.step()
    theirs = expected["text_feature_residuals_after_3_steps"]
    torch.testing.assert_close(learner.residuals.detach(), theirs, atol=3e-4 * float(theirs.abs().max()), rtol=0)
    torch.testing.assert_close(learner(test.inputs), expected["test_logits_after_3_steps"], atol=1e-3, rtol=0)
    learner.residuals.data = golden.drawn("text_feature_residuals", (7, 48), 0.3)
    check("")

"""Cross-modal adaptation against its formula, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, CrossModal, Optim
from promptlab.prompts import ClassTexts
from tests.helpers.adapters import adapters_golden
from tests.helpers.models import tiny_clip
from tests.helpers.prompts_golden import close
from tests.helpers.settings import settings_of

NAMES = ["cat", "golden_retriever", "boat"]
TWO = ["a photo of a {}.", "a drawing of a {}."]
PUBLISHED = Optim(name="adamw", lr=1e-3, weight_decay=0.01, steps=12_800, batch_size=4, schedule="cosine_per_step",
                  warmup_epochs=0, warmup_steps=50)  # fmt: skip


@pytest.fixture(scope="module")
def golden():
    return adapters_golden()


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture(scope="module")
def batch(clip):
    stream = torch.Generator().manual_seed(3)
    return Batch(8 * torch.randn(4, clip.dim, generator=stream), torch.tensor([0, 2, 1, 2]), stream)


@pytest.mark.parametrize("head", ["linear", "adapter"])
def test_the_loss_is_the_papers(clip, batch, head):
    learner = CrossModal(clip, NAMES, templates=TWO, head=head, text_batch_size=4)
    learner.weight.data += 0.1 * torch.randn(learner.weight.shape, generator=torch.Generator().manual_seed(1))
    texts = [clip.encode_texts([t.replace("{}", n.replace("_", " "))])[0] for n in NAMES for t in TWO]
    rows = torch.tensor([5, 0, 2])
    terms = []
    for x, label in [*zip(batch.inputs, batch.labels.tolist(), strict=True), *((texts[i], i // 2) for i in rows)]:
        x = x / x.norm()
        if head == "adapter":
            first, second = learner.adapter[0].weight, learner.adapter[2].weight
            x = 0.2 * (second @ (first @ x).clamp(min=0)).clamp(min=0) + 0.8 * x
        z = clip.logit_scale * learner.weight @ x  # nothing is normalised again
        terms.append(z.logsumexp(0) - z[label])
    torch.testing.assert_close(learner.loss_with(batch, rows), sum(terms) / 7)


def test_the_batchs_generator_draws_the_texts(clip, batch):
    learner = CrossModal(clip, NAMES, templates=TWO, text_batch_size=2)
    drawn = torch.randperm(6, generator=torch.Generator().manual_seed(9))[:2]
    seen = batch._replace(generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(learner.loss(seen), learner.loss_with(batch, drawn))
    every = CrossModal(clip, NAMES, templates=TWO, text_batch_size=100)
    torch.testing.assert_close(every.loss(batch), every.loss_with(batch, torch.arange(6)))


def test_it_starts_from_the_texts(clip, batch):
    learner = CrossModal(clip, NAMES, templates=TWO)
    raw = ClassTexts(clip, NAMES, templates=TWO, normalised=False).features
    torch.testing.assert_close(learner.weight.detach(), F.normalize(raw, dim=-1))
    expected = clip.logits(F.normalize(batch.inputs, dim=-1), F.normalize(raw, dim=-1))
    torch.testing.assert_close(learner(batch.inputs), expected)


def test_half_the_weight_scores_and_the_whole_one_trains(clip, batch):
    whole, half = CrossModal(clip, NAMES), CrossModal(clip, NAMES, wise_ft=0.5)
    for learner in (whole, half):
        learner.weight.data += 1.0
    torch.testing.assert_close(half.loss_with(batch, torch.arange(3)), whole.loss_with(batch, torch.arange(3)))
    x = F.normalize(batch.inputs, dim=-1)
    torch.testing.assert_close(
        half(batch.inputs), clip.logit_scale * x @ (half.zero_shot_weight + 0.5).T, atol=1e-4, rtol=1e-5
    )
    part = half.select([2, 0])
    torch.testing.assert_close(part(batch.inputs), half(batch.inputs)[:, [2, 0]])


def test_the_authors_numbers(golden):
    expected, train, test = golden.of("cross_modal"), golden.raw("train"), golden.raw("test")
    learner = CrossModal(golden.clip, golden.names, templates=golden.templates, optim=PUBLISHED)
    torch.testing.assert_close(learner.weight.detach(), expected["zero_shot_weights"], atol=1e-6, rtol=1e-5)
    optimiser = PUBLISHED.build([learner.weight])
    for step in range(3):
        images, texts = (expected[f"batch_{step}.{kind}_rows"] for kind in ("image", "text"))
        batch = Batch(train.inputs[images, 0], train.labels[images])
        optimiser.param_groups[0]["lr"] = PUBLISHED.lr_after(step)
        optimiser.zero_grad()
        loss = learner.loss_with(batch, texts)
        loss.backward()
        if not step:
            torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
            rows = torch.cat([batch.inputs, learner.text_rows[texts]])
            torch.testing.assert_close(learner(rows), expected["logits"], atol=1e-4, rtol=0)
            close(learner.weight.grad, expected["grad.weight"], 1e-4)
        optimiser.step()
    close(learner.weight.detach(), expected["weight_after_3_steps"], 1e-5)
    torch.testing.assert_close(learner(test.inputs), expected["test_logits_after_3_steps"], atol=1e-4, rtol=0)
    wise = torch.lerp(learner.zero_shot_weight, learner.weight, 0.5)
    close(wise.detach(), expected["wiseft_weight_after_3_steps"], 1e-5)


def test_the_authors_rates(golden):
    expected = golden.of("cross_modal")
    found = torch.tensor([PUBLISHED.lr_after(step) for step in range(60)]).double()
    torch.testing.assert_close(found, expected["lr_first_60"].double(), atol=1e-10, rtol=1e-5)
    later = torch.tensor([PUBLISHED.lr_after(step) for step in (100, 1000, 6400, 12799)]).double()
    torch.testing.assert_close(later, expected["lr_at_100_1000_6400_12799"].double(), atol=1e-10, rtol=1e-5)


def test_the_authors_adapter(golden):
    expected, train = golden.of("cross_modal_adapter"), golden.raw("train")
    learner = CrossModal(golden.clip, golden.names, templates=golden.templates, head="adapter")
    for place, shape in ((0, (12, 48)), (2, (48, 12))):
        drawn = golden.drawn(f"cross_modal.adapter.fc.{place}.weight", shape, shape[1] ** -0.5)
        learner.adapter[place].weight.data = drawn
    batch = Batch(train.inputs[:, 0], train.labels)
    torch.testing.assert_close(learner(batch.inputs), expected["logits"], atol=1e-4, rtol=0)
    loss = learner.loss_with(batch, torch.arange(0))
    torch.testing.assert_close(loss, expected["loss"], atol=1e-5, rtol=1e-5)
    for name, found in zip(("1.weight", "0.fc.0.weight", "0.fc.2.weight"),
                           torch.autograd.grad(loss, learner.parameters()), strict=True):  # fmt: skip
        close(found, expected[f"grad.{name}"], 1e-4)


def test_the_recipe_is_the_authors():
    arguments = settings_of(["learner=cross_modal"]).learner.arguments
    optim = arguments["optim"].arguments
    assert (optim["steps"], optim["warmup_steps"], optim["lr"], arguments["head"]) == (12_800, 50, 1e-3, "linear")
    adapter = settings_of(["learner=cross_modal_adapter", "dataset=imagenet"]).learner.arguments
    assert (adapter["head"], adapter["optim"].arguments["lr"]) == ("adapter", 1e-4)
    assert adapter["templates"] == "select_only"

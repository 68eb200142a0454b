"""CoCoOp against the authors' own outputs, the plain loop over images, and its memory budget."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from promptlab.learners import Batch, CoCoOp
from tests.helpers.golden import read_golden
from tests.helpers.models import class_names, freeze, full_encode, full_prompts, rule_model, tiny_clip
from tests.helpers.prompts_golden import close


def unit(count, clip, seed=1):
    return F.normalize(torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def looped(learner, images):
    """The paper's formula, image by image: contexts moved by the meta-network, every prompt at full length."""
    rows = []
    for image in images:
        hidden = torch.relu(image @ learner.meta_net.linear1.weight.T + learner.meta_net.linear1.bias)
        shift = hidden @ learner.meta_net.linear2.weight.T + learner.meta_net.linear2.bias
        prompts = full_prompts(learner.clip, learner.class_names, learner.ctx + shift)
        text = full_encode(learner.clip.model, *prompts)
        rows.append(learner.clip.model.logit_scale.exp() * image @ text.T)
    return torch.stack(rows)


def test_golden_logits_loss_and_gradients():
    """P7 and P8: what the authors' CustomCLIP computed, with their meta-network."""
    tensors, metadata = read_golden("coop.safetensors")
    sizes = {"embed_dim": 48, "text_width": 96, "text_heads": 4, "text_layers": 3, "vision_layers": 2}
    clip = freeze(rule_model(int(metadata["salt"]), **sizes), "golden")
    learner = CoCoOp(clip, json.loads(metadata["class_names"]))
    names = ("ctx", *(f"meta_net.linear{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")))
    learner.load_learned({name: tensors[f"cocoop.{name}"] for name in names})
    batch = Batch(tensors["image_features"], tensors["labels"].long())
    torch.testing.assert_close(learner(batch.inputs), tensors["cocoop.logits"], atol=1e-4, rtol=0)
    loss = learner.loss(batch)
    torch.testing.assert_close(loss, tensors["cocoop.loss"].reshape(()), atol=1e-5, rtol=1e-5)
    loss.backward()
    for name, parameter in learner.named_parameters():
        expected = tensors[f"cocoop.grad.{name}"]
        assert (parameter.grad - expected).norm() <= 1e-4 * expected.norm(), name
        close(parameter.grad, expected, 1e-4)


@pytest.mark.parametrize("megabytes", [1, 3, 500])
def test_any_batch_and_any_budget_equal_the_loop(megabytes):
    clip = tiny_clip(text_memory_mb=megabytes)
    learner, images = CoCoOp(clip, class_names(9), ctx_init=None), unit(12, clip)
    labels = torch.arange(12) % 9
    batched = torch.autograd.grad(learner.loss(Batch(images, labels)), list(learner.parameters()))
    plain = torch.autograd.grad(F.cross_entropy(looped(learner, images), labels), list(learner.parameters()))
    torch.testing.assert_close(learner(images), looped(learner, images), atol=1e-4, rtol=0)
    torch.testing.assert_close(learner(images[:1]), looped(learner, images[:1]), atol=1e-4, rtol=0)
    for a, b in zip(batched, plain, strict=True):
        assert (a - b).norm() <= 1e-4 * b.norm()


@pytest.mark.parametrize(("images", "classes"), [(1, 1000), (100, 100)])
def test_large_batches_stay_within_the_budget(images, classes):
    """Training and evaluation at sizes that would not fit at once: many chunks, all pairs scored."""
    clip = tiny_clip(text_memory_mb=4)
    learner = CoCoOp(clip, class_names(classes, longest=4))
    features = unit(images, clip)
    loss = learner.loss(Batch(features, torch.zeros(images, dtype=torch.long)))
    loss.backward()
    assert learner.ctx.grad.isfinite().all()
    with torch.no_grad():
        assert learner.eval()(features).shape == (images, classes)
    plan = learner.prompts.for_images(learner.ctx.detach().expand(images, -1, -1))[2]
    groups = [part for _, _, part, _ in plan.in_groups(next(iter(plan._groups)))] if plan._groups else [plan]
    assert sum(len(chunks) for part in groups for chunks in part.gathers.values()) >= 3


def test_what_trains_and_its_size():
    """P20: the paper's meta-network, and with ViT-B/16's widths its number of parameters."""
    learner = CoCoOp(tiny_clip(), ["cat"])
    names = {name for name, _ in learner.named_parameters()}
    assert names == {"ctx", *(f"meta_net.linear{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias"))}
    wide = CoCoOp(tiny_clip(embed_dim=512, width=512, heads=8), ["cat"])
    assert sum(parameter.numel() for parameter in wide.parameters()) == 35_360


def test_the_start_is_torchs_default_from_ones_own_generator():
    clip = tiny_clip(embed_dim=512)
    torch.manual_seed(0)
    learner = CoCoOp(clip, ["cat"], generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    again = CoCoOp(clip, ["cat"], generator=torch.Generator().manual_seed(3))
    for one, other in zip(learner.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    reference = nn.Linear(512, 32)
    weight = learner.meta_net.linear1.weight.detach()
    assert float(weight.abs().max()) <= 512**-0.5
    assert float(weight.std()) == pytest.approx(float(reference.weight.detach().std()), rel=0.05)


def test_only_contexts_in_front_of_the_name_can_be_per_image():
    from promptlab.prompts import ClassPrompts

    clip = tiny_clip()
    for layout in ({"position": "middle"}, {"csc": True}):
        with pytest.raises(ValueError, match="in front of the class name"):
            ClassPrompts(clip, ["cat"], n_ctx=2, **layout).for_images(torch.zeros(3, 2, clip.width))

"""2SFS against its formula by hand, and against what the authors' code computed."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import FrozenCLIP, UnsupportedBackboneError
from promptlab.clip.adapters import BlockAdapter
from promptlab.learners import Batch, CLIPLoRA, Optim, TwoStage
from promptlab.prompts.written_prompts import WrittenPrompts
from promptlab.runs.facts import arguments_of
from tests.helpers.adapters import adapters_golden
from tests.helpers.golden import read_golden
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, gradients_held
from tests.helpers.settings import settings_of


@pytest.fixture(scope="module")
def golden():
    expected, metadata = read_golden("two_stage.safetensors")
    source, labels = adapters_golden(), expected["labels"].long()
    images = source.drawn("images", (len(labels), 3, 32, 32), 1.0)
    return source.clip, json.loads(metadata["class_names"]), expected, Batch(images, labels)


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def theirs(name):
    """The authors' name of a parameter such as ``norms.text.0.ln_1.weight``."""
    _, tower, rest = name.split(".", 2)
    return f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{rest}"


def descend(stage, batch, steps):
    """Steps of a stage on one batch, under its own schedule; their losses."""
    optimiser, losses = stage.optim.build(stage.parameters), []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = stage.optim.lr_after(step)
        optimiser.zero_grad()
        loss = stage.loss(batch)
        loss.backward()
        losses.append(loss.detach())
        optimiser.step()
    return losses


def test_the_authors_numbers_from_start_to_end(golden):
    """Six steps: three of the norms, three of the classifier, as ``run_twostage`` takes them."""
    clip, names, expected, batch = golden
    count = int(expected["n_base"])
    learner = TwoStage(clip, names[:count], optim=replace(TwoStage(clip, names[:2]).optim, steps=6))
    norms = [name for name, _ in learner.named_parameters() if name != "classifier"]
    assert {f"two_stage.grad.{theirs(name)}" for name in norms} == {
        k for k in expected if ".stage_2" not in k and ".grad." in k
    }
    close(learner(batch.inputs).detach(), expected["two_stage.logits"], 1e-5)
    first, second = learner.fit_plan()
    loss = first.loss(batch)
    torch.testing.assert_close(loss, expected["two_stage.loss"], atol=1e-5, rtol=1e-5)
    gradients_held(
        learner.norms, loss, {name.removeprefix("norms."): f"two_stage.grad.{theirs(name)}" for name in norms}, expected
    )
    losses = descend(first, batch, 3)
    for name in norms:
        close(learner.get_parameter(name).detach(), expected[f"two_stage.after_stage_1.{theirs(name)}"], 1e-4)
    close(learner.text_features().detach(), expected["two_stage.classifier_start"], 1e-4)
    at_start = second.loss(batch)
    torch.testing.assert_close(at_start, expected["two_stage.stage_2.loss"], atol=1e-4, rtol=1e-5)
    (gradient,) = torch.autograd.grad(at_start, [learner.classifier])
    close(gradient, expected["two_stage.stage_2.grad.classifier"], 1e-4)
    close(learner(batch.inputs).detach(), expected["two_stage.stage_2.logits"], 1e-4)
    losses += descend(second, batch, 3)
    torch.testing.assert_close(torch.stack(losses), expected["two_stage.losses"], atol=1e-4, rtol=1e-5)
    close(learner.classifier.detach(), expected["two_stage.classifier_end"], 1e-4)
    for part, key in (
        (learner, "base"),
        (learner.rebind(names[count:]), "new"),
        (learner.extend(names), "all"),
    ):
        close(part.scorer()(batch.inputs), expected[f"two_stage.{key}_logits"], 1e-4)


def test_norms_take_the_place_of_the_towers_own(clip):
    """In a copy of the model, through open_clip's own forward."""
    names, images = class_names(3), pictures()
    learner, model = TwoStage(clip, names), copy.deepcopy(clip.model)
    blocks = {"text": model.transformer.resblocks, "vision": model.visual.transformer.resblocks}
    for tower, layers in learner.norms.items():
        for block, norms in zip(blocks[tower], layers, strict=True):
            for name, norm in norms.items():
                for parameter in norm.parameters():
                    parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
                getattr(block, name).load_state_dict(norm.state_dict())
    tuned = FrozenCLIP(model, clip.tokenizer, clip.preprocess, "tuned")
    texts = tuned.encode_texts([f"a photo of a {name}." for name in names])
    expected = clip.logit_scale * tuned.encode_images(images) @ texts.T
    torch.testing.assert_close(learner(images), expected, atol=1e-4, rtol=0)
    first, second = learner.fit_plan()
    batch = Batch(images, torch.tensor([0, 1, 2, 0]))
    torch.testing.assert_close(first.loss(batch), F.cross_entropy(expected, batch.labels))
    torch.testing.assert_close(second.loss(batch), F.cross_entropy(expected, batch.labels))
    close(learner.classifier.detach(), texts, 1e-5)


def moved_a_little(learner):
    """Random changes of all parameters that the first stage trains."""
    stream = torch.Generator().manual_seed(1)
    for parameter in learner.fit_plan()[0].parameters:
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=stream)


def held_to_a_copy(learner, model, clip, parameters):
    """Logits, loss and gradients, those of the copy's parameters under the learner's names."""
    images, labels = pictures(), torch.tensor([0, 1, 2, 0])
    tokens = clip.tokenizer([f"a photo of a {name}." for name in learner.class_names])
    texts, features = model.encode_text(tokens), model.encode_image(images)
    expected = clip.logit_scale * F.normalize(features, dim=-1) @ F.normalize(texts, dim=-1).T
    torch.testing.assert_close(learner(images), expected, atol=1e-4, rtol=0)
    stage = learner.fit_plan()[0]
    loss, plain = stage.loss(Batch(images, labels)), F.cross_entropy(expected, labels)
    torch.testing.assert_close(loss, plain)
    names = [name for name, _ in learner.named_parameters() if name != "classifier"]
    assert names == list(parameters)
    assert {id(parameter) for parameter in stage.parameters} == {id(learner.get_parameter(name)) for name in names}
    found = torch.autograd.grad(loss, [learner.get_parameter(name) for name in names])
    for own, theirs in zip(found, torch.autograd.grad(plain, list(parameters.values())), strict=True):
        close(own, theirs, 1e-4)


def test_bitfit_is_the_towers_with_other_biases(clip):
    """All that the authors' code trains by it: in and around blocks, but those of queries, keys and values."""
    learner, model = TwoStage(clip, class_names(3), tuning="bitfit"), copy.deepcopy(clip.model)
    moved_a_little(learner)
    towers = {"text": model, "vision": model.visual}
    inside = ("ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj", "attn.out_proj")
    parts = {
        f"biases.{tower}.blocks.{i}.{name.rpartition('.')[2]}": block.get_submodule(name)
        for tower, part in towers.items()
        for i, block in enumerate(part.transformer.resblocks)
        for name in inside
    }
    parts["biases.text.norms.ln_post"] = model.ln_final
    parts |= {f"biases.vision.norms.{name}": model.visual.get_submodule(name) for name in ("ln_pre", "ln_post")}
    for name, part in parts.items():
        part.bias.data = learner.get_parameter(name).detach().clone()
        part.bias.requires_grad_()
    order = [name for name, _ in learner.named_parameters() if name != "classifier"]
    assert sorted(order) == sorted(parts)
    held_to_a_copy(learner, model, clip, {name: parts[name].bias for name in order})


def test_lora_is_cliploras_updates(clip):
    """Their formula is held by its own tests; here layers, products, rank, scale, dropout and start are the same."""
    names, batch = class_names(3), Batch(pictures(), torch.tensor([0, 1, 2, 0]))
    learner, own = TwoStage(clip, names, tuning="lora"), CLIPLoRA(clip, names)
    assert {key: tensor.tolist() for key, tensor in learner.updates.state_dict().items()} == {
        key: tensor.tolist() for key, tensor in own.updates.state_dict().items()
    }
    moved_a_little(learner)
    own.updates.load_state_dict(learner.updates.state_dict())
    torch.testing.assert_close(learner(batch.inputs), own(batch.inputs))
    first, second = learner.fit_plan()
    losses = [
        loss(batch._replace(generator=torch.Generator().manual_seed(3)))
        for loss in (first.loss, own.loss, second.loss, first.loss)
    ]
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(losses[2], F.cross_entropy(own(batch.inputs), batch.labels))  # nothing dropped
    assert (losses[0] - losses[2]).abs() > 1e-4
    torch.testing.assert_close(losses[3], losses[0])  # the first stage's doesn't read the rows


@pytest.mark.parametrize("tuning", ["norms", "lora", "bitfit"])
def test_the_first_stage_alone_is_scored_by_the_text_tower(clip, tuning):
    """What the authors call ln_only."""
    optim = Optim(steps=10, schedule="constant", warmup_epochs=0)
    learner = TwoStage(clip, ["cat", "dog"], tuning=tuning, tower_share=1.0, optim=optim)
    (stage,) = learner.fit_plan()
    assert stage.optim.steps == 10
    assert {id(parameter) for parameter in stage.parameters} == {id(parameter) for parameter in learner.parameters()}
    moved_a_little(learner)
    assert "classifier" not in learner.learned_tensors()
    images = pictures()
    expected = clip.logits(learner.image_features(images), learner.text_features())
    torch.testing.assert_close(learner.scorer()(images), expected)
    torch.testing.assert_close(learner.select([1])(images), expected[:, 1:])
    torch.testing.assert_close(learner.extend(["bus", "dog"])(images)[:, 1:], expected[:, 1:], atol=1e-4, rtol=0)


def test_the_frozen_bytes_stay(clip):
    """Also while what stands beside them trains."""
    before = {name: tensor.clone() for name, tensor in clip.model.state_dict().items()}
    for tuning in ("norms", "lora", "bitfit"):
        learner = TwoStage(clip, class_names(3), tuning=tuning)
        for stage in learner.fit_plan():
            descend(stage, Batch(pictures(), torch.tensor([0, 1, 2, 0])), 2)
    assert all(torch.equal(before[name], tensor) for name, tensor in clip.model.state_dict().items())


def test_a_norm_around_the_blocks_stands_at_their_ends(clip):
    pair = (torch.ones(1), torch.zeros(1))
    for adapters, said in (({1: BlockAdapter(ln_pre=pair)}, "only layer 0"), ({0: BlockAdapter(ln_post=pair)}, "last")):
        with pytest.raises(ValueError, match=said):
            clip.encode_images(pictures(), adapters=adapters)
    with pytest.raises(ValueError, match="of an image tower"):
        WrittenPrompts(clip, ["cat"]).encode(adapters={0: BlockAdapter(ln_pre=pair)})


def test_known_classes_keep_their_rows_among_others(clip):
    learner = TwoStage(clip, ["cat", "dog"])
    learner.started.fill_(True)
    learner.classifier.data.normal_(generator=torch.Generator().manual_seed(1))
    mixed = learner.extend(["tree", "dog"], "{} texture.")
    text = clip.encode_texts(["a photo of a tree."])
    torch.testing.assert_close(mixed.classifier.data, torch.cat([text, learner.classifier.data[1:]]))


@pytest.mark.parametrize(
    ("optim", "lengths"),
    [
        (Optim(steps=10, schedule="constant", warmup_epochs=0), ("steps", 6, 4)),
        (Optim(epochs=5), ("epochs", 3, 2)),
    ],
)
def test_both_stages_share_the_length(clip, optim, lengths):
    stages = TwoStage(clip, ["cat"], optim=optim).fit_plan()
    assert (lengths[0], *(getattr(stage.optim, lengths[0]) for stage in stages)) == lengths


@pytest.mark.parametrize(("shots", "steps"), [(1, 300), (16, 4800), ("all", 4800)])
def test_the_recipe_is_the_papers(clip, shots, steps):
    arguments = settings_of(["learner=two_stage", f"shots={shots}"]).learner.arguments
    published = Optim(
        name="adamw", lr=2e-4, weight_decay=0.01, steps=steps, batch_size=32, drop_last=False,
        schedule="cosine_per_step", warmup_epochs=0, eta_min=1e-6,
    )  # fmt: skip
    assert arguments["optim"].make() == published
    assert (arguments["tower_share"], arguments["tuning"]) == (0.6, "norms")
    assert arguments["text_template"] == "a photo of a {}."
    if steps == 4800:
        assert TwoStage(clip, ["cat"]).optim == published


def test_what_came_later_is_in_no_id_at_its_default():
    before, now = (
        arguments_of(settings_of(["learner=two_stage", "shots=1", *more]).learner)
        for more in ([], ["learner.tuning=bitfit"])
    )
    assert before.keys() == {"text_template", "tower_share", "optim"}
    assert now == {**before, "tuning": "bitfit"}


def test_a_backbone_without_its_blocks_is_named():
    with pytest.raises(UnsupportedBackboneError):
        TwoStage(tiny_clip(resnet=True), ["cat"])

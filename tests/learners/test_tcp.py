"""TCP against its formula by hand, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import TCP, Batch
from promptlab.runs.facts import arguments_of
from tests.helpers.adapters import unit_batch
from tests.helpers.models import class_names, full_prompts, text_by_hand, tiny_clip
from tests.helpers.prompts_golden import close, hold, prompts_golden
from tests.helpers.settings import settings_of

THEIRS = {
    "ctx": "ctx",
    "meta_net.0.weight": "meta_net.linear1.weight",
    "meta_net.0.bias": "meta_net.linear1.bias",
    "meta_net.2.weight": "meta_net.linear2.weight",
    "meta_net.2.bias": "meta_net.linear2.bias",
}
SCALES = {"ctx": 0.02, "weight": 0.1, "bias": 0.05}
TEXTS = {
    "pets": {"template": "a photo of a {}, a type of pet."},
    "ucf101": {"template": "a photo of a person doing {}."},
    "cars": {"template": "a photo of a {}.", "tail_template": "{}, a type of car"},
}


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("tcp")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.mark.parametrize("case", TEXTS)
def test_the_authors_numbers(golden, case):
    learner, expected = TCP(golden.clip, golden.names, layer=3, **TEXTS[case]), golden.of(f"tcp.{case}")
    for name, parameter in learner.named_parameters():
        parameter.data = golden.drawn(THEIRS[name], parameter.shape, SCALES[name.split(".")[-1]])
    close(learner.texts.taught, expected["teacher.text_features"], 1e-5)
    close(learner.class_contexts().detach(), expected["class_prompts"], 1e-5)
    close(learner.text_features().detach(), expected["text_features"], 1e-5)
    images = F.normalize(golden.drawn("image_features", (6, 48), 1.0), dim=-1)
    learner.weight, batch = 0.0, Batch(images, golden.labels)
    ce = learner.loss(batch).detach()
    learner.weight = 1.0
    torch.testing.assert_close(ce, expected["loss.ce"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(learner.loss(batch).detach() - ce, expected["loss.kg"], atol=1e-5, rtol=0)
    learner.weight = 8.0
    hold(learner, THEIRS, Batch(images, golden.labels), expected)


def test_the_formula_written_out(clip):
    """One class at a time through all 77 tokens, whose four context positions change before the third layer."""
    names = class_names(3)
    learner, batch = TCP(clip, names, layer=3, weight=2.0), unit_batch(clip, 3)
    prompts, ends = full_prompts(clip, names, learner.ctx)
    first, _, last = learner.meta_net
    rows, taught = [], clip.encode_texts([f"a photo of a {name}." for name in names])
    for prompt, end, w in zip(prompts, ends, taught, strict=True):
        hidden = first.weight @ w + first.bias
        own = (last.weight @ (hidden * (1.702 * hidden).sigmoid()) + last.bias).view(4, clip.width)
        rows.append(text_by_hand(clip.model, prompt, end, {2: own}))
    logits = clip.logit_scale * batch.inputs @ torch.stack(rows).T
    far = sum(1 - row @ w for row, w in zip(rows, taught, strict=True)) / 3
    torch.testing.assert_close(learner(batch.inputs), logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(learner.loss(batch), F.cross_entropy(logits, batch.labels) + 2 * far)


def test_another_dataset_is_read_in_its_own_prompt(clip):
    learner = TCP(
        clip, ["cat"], layer=2, template="{} texture.", teacher_template="a photo of a {}, a type of texture."
    )
    same = learner.rebind(["wool"], "{} texture.")
    other = learner.rebind(["running"], "a photo of a person doing {}.")
    texts = [same.texts.taught, other.texts.taught]
    expected = clip.encode_texts(["a photo of a wool, a type of texture.", "a photo of a person doing running."])
    torch.testing.assert_close(torch.cat(texts), expected)
    assert [(t.texts.prompts.words, t.texts.prompts.ending) for t in (same, other)] == [
        ("", " texture."),
        ("person doing", "."),
    ]


def test_another_dataset_of_the_same_prompt_is_not_read_in_the_trained_ones_texts(clip):
    """Stanford Cars' prompt is that of most datasets; what stands behind the name is its own."""
    template = "a photo of a {}."
    learner = TCP(clip, ["cat", "tree"], layer=3, template=template, tail_template="{}, a type of car")
    own = TCP(clip, ["red bus", "boat"], layer=3, template=template).load_learned(learner.learned_tensors())
    moved = learner.rebind(["red bus", "boat"], template)
    torch.testing.assert_close(moved.tested_on("caltech101", "cars").text_features(), own.text_features())
    assert moved.tested_on("cars", "cars").texts.prompts.ending == ", a type of car"  # its new classes
    assert learner.tested_on("sketched_cars", "cars") is learner  # its own classes in other images


@pytest.mark.parametrize(
    ("dataset", "teacher", "tail", "epochs"),
    [
        ("oxford_pets", None, None, 50),
        ("fgvc_aircraft", "a photo of an aircraft {}.", None, 50),
        ("dtd", "a photo of a {}, a type of texture.", None, 50),
        ("food101", "a photo of a {}, a type of food.", None, 50),
        ("eurosat", None, "{}.", 50),
        ("stanford_cars", None, "{}, a type of car", 50),
        ("sun397", None, None, 25),
    ],
)
def test_the_recipe_is_the_papers(dataset, teacher, tail, epochs):
    arguments = settings_of(["learner=tcp", f"dataset={dataset}", "backbone=vit_b16"]).learner.arguments
    optim = arguments["optim"].arguments
    assert (arguments["teacher_template"], arguments["tail_template"], arguments["layer"]) == (teacher, tail, 9)
    assert (optim["name"], optim["eps"], optim["epochs"], optim["batch_size"]) == ("adam", 1e-3, epochs, 32)


def test_another_dataset_is_read_in_the_tables_texts(clip):
    """As a learner would be that was made for it; without a row, in its hand-written prompt."""
    template, tables = "a photo of a {}.", {"target_teacher_templates": {"dtd": "a {}, seen."}}
    tables["target_tail_templates"] = {"stanford_cars": "{}, a type of car"}
    learner = TCP(clip, ["cat"], layer=3, tail_template="{}, a type of pet.", **tables)
    moved = learner.rebind(["red_bus", "tree"], template)
    for target, texts in (
        ("dtd", {"teacher_template": "a {}, seen."}),
        ("stanford_cars", {"tail_template": "{}, a type of car"}),
        ("caltech101", {}),
    ):
        own = TCP(clip, ["red_bus", "tree"], layer=3, template=template, **texts)
        own.load_learned(learner.learned_tensors())
        tested = moved.tested_on(target, "oxford_pets")
        torch.testing.assert_close(tested.text_features(), own.text_features())
        torch.testing.assert_close(tested.select([1]).text_features(), own.text_features()[1:])
        assert tested.ctx is learner.ctx
    assert moved.tested_on("dtd", "dtd") is moved
    plain = TCP(clip, ["cat"], layer=3)
    assert plain.tested_on("dtd", "oxford_pets") is plain


def test_the_targets_tables_are_the_trained_datasets():
    """``learner=tcp_targets`` differs by what it says of targets alone, which is in no id at its default."""
    names = ("teacher_template", "tail_template")
    tables = {name: settings_of(["learner=tcp_targets"]).learner.arguments[f"target_{name}s"] for name in names}
    for dataset in ("fgvc_aircraft", "dtd", "food101", "eurosat", "stanford_cars", "oxford_pets"):
        words = [f"dataset={dataset}", "protocol=few_shot"]
        own = settings_of([*words, "learner=tcp"]).learner
        assert [table.get(dataset) for table in tables.values()] == [own.arguments[name] for name in names]
    with_tables = arguments_of(settings_of([*words, "learner=tcp_targets"]).learner)
    assert with_tables == {**arguments_of(own), **{f"target_{name}s": dict(table) for name, table in tables.items()}}
    assert not {f"target_{name}s" for name in names} & arguments_of(own).keys()


def test_a_layer_that_is_not_there_is_named(clip):
    with pytest.raises(ValueError, match="layer=4: tiny has 3 text layers"):
        TCP(clip, ["cat"], layer=4)

"""TCP against its formula by hand, and against what the authors' code computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import TCP, Batch
from tests.helpers.adapters import unit_batch
from tests.helpers.models import class_names, full_prompts, tiny_clip
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
        x = prompt + clip.model.positional_embedding
        for layer, block in enumerate(clip.model.transformer.resblocks):
            if layer == 2:
                x = torch.cat([x[:1], own, x[5:]])
            x = block(x[None], attn_mask=clip.model.attn_mask)[0]
        rows.append(F.normalize(clip.model.ln_final(x)[end] @ clip.model.text_projection, dim=-1))
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


def test_a_layer_that_is_not_there_is_named(clip):
    with pytest.raises(ValueError, match="layer=4: tiny has 3 text layers"):
        TCP(clip, ["cat"], layer=4)

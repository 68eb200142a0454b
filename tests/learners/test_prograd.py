"""ProGrad against its formula written out, and against what the authors' trainer computed."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import Batch, CoOp, ProGrad
from promptlab.learners.prograd import without_conflict
from promptlab.prompts.starting_context import late_context
from promptlab.runs.facts import arguments_of
from tests.helpers.adapters import unit_batch
from tests.helpers.models import class_names, full_encode, full_prompts, tiny_clip
from tests.helpers.prompts_golden import close, prompts_golden
from tests.helpers.settings import settings_of

CASES = {
    "pets": {"teacher_template": "a type of pet, a photo of a {}."},
    "random": {"teacher_template": "a centered satellite photo of {}.", "words_start": False, "n_ctx": 4},
}


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("prograd")


@pytest.mark.parametrize("labels", ["conflict", "agreeing"])
@pytest.mark.parametrize("case", CASES)
def test_the_authors_numbers(golden, case, labels):
    expected = golden.of(f"prograd.{case}")
    features = F.normalize(golden.drawn("image_features", (6, 48), 1.0), dim=-1)
    batch, of_labels = Batch(features, expected[f"{labels}.labels"].long()), golden.of(f"prograd.{case}.{labels}")
    for strength in (1.0, 0.8):
        learner = ProGrad(golden.clip, golden.names, **CASES[case], strength=strength)
        if case == "pets":
            close(learner.ctx.detach(), expected["ctx"], 1e-6)  # zeros and words, as theirs
        learner.ctx.data = expected["ctx"].clone()
        torch.testing.assert_close(learner(features), expected["logits"], atol=1e-4, rtol=0)
        torch.testing.assert_close(learner.teacher(features), expected["teacher.logits"], atol=1e-4, rtol=0)
        loss = learner.loss(batch)
        torch.testing.assert_close(loss, of_labels["loss.xe"], atol=1e-5, rtol=1e-5)
        close(torch.autograd.grad(loss, learner.ctx)[0], of_labels[f"grad.lambda{strength}"], 1e-4)
        optimiser = learner.optim.build([learner.ctx])
        optimiser.param_groups[0]["lr"] = 0.002
        for _ in range(3):
            optimiser.zero_grad()
            learner.loss(batch).backward()
            optimiser.step()
        close(learner.ctx.detach(), of_labels[f"ctx_after_3_steps.lambda{strength}"], 1e-4)


@pytest.mark.parametrize(("temperature", "kept"), [(1.0, "grad.kl"), (2.0, "grad.kl.T2")])
@pytest.mark.parametrize("labels", ["conflict", "agreeing"])
@pytest.mark.parametrize("case", CASES)
def test_the_authors_gradients_make_ours_by_the_formula(golden, case, labels, temperature, kept):
    expected, of_labels = golden.of(f"prograd.{case}"), golden.of(f"prograd.{case}.{labels}")
    features = F.normalize(golden.drawn("image_features", (6, 48), 1.0), dim=-1)
    learner = ProGrad(golden.clip, golden.names, **CASES[case], strength=0.6, temperature=temperature)
    learner.ctx.data = expected["ctx"].clone()
    close(learner.teacher.text_features(), expected["teacher.text_features"], 1e-5)
    a, b = of_labels["grad.xe"], of_labels[kept]
    cosine = (a * b).sum() / (a.norm() * b.norm())
    if temperature == 1:
        torch.testing.assert_close(cosine, of_labels["cosine"].squeeze(), atol=1e-5, rtol=0)
    projected = a - 0.6 * cosine * a.norm() * b / b.norm() if cosine < 0 else a
    loss = learner.loss(Batch(features, of_labels["labels"].long()))
    close(torch.autograd.grad(loss, learner.ctx)[0], projected, 1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_gradient_is_the_papers(temperature):
    clip, names = tiny_clip(), class_names(4)
    conflicts = set()
    for seed in range(4):
        learner = ProGrad(clip, names, n_ctx=3, words_start=False, strength=0.7, temperature=temperature,
                          generator=torch.Generator().manual_seed(seed))  # fmt: skip
        batch = unit_batch(clip, 4, each=1)
        z, t = learner(batch.inputs), learner.teacher(batch.inputs)
        xe = F.cross_entropy(z, batch.labels)
        soft, logs = (t / temperature).softmax(-1), (z / temperature).log_softmax(-1)
        kl = temperature**2 * torch.stack([-(p * log).sum() for p, log in zip(soft, logs, strict=True)]).mean()
        a, b = (torch.autograd.grad(term, learner.ctx, retain_graph=True)[0] for term in (xe, kl))
        u = b / b.norm()
        conflict = float((a * u).sum()) < 0
        expected = a - 0.7 * (a * u).sum() * u if conflict else a
        close(torch.autograd.grad(learner.loss(batch), learner.ctx)[0], expected, 1e-4)
        conflicts.add(conflict)
    assert conflicts == {True, False}


def test_without_strength_it_is_coop():
    clip, names = tiny_clip(), class_names(3)
    batch, start = unit_batch(clip, 3), {"n_ctx": 3, "generator": torch.Generator().manual_seed(2)}
    own = ProGrad(clip, names, words_start=False, strength=0.0, **start)
    coop = CoOp(clip, names, n_ctx=3)
    coop.ctx.data = own.ctx.data
    (found,), (expected,) = (torch.autograd.grad(learner.loss(batch), learner.ctx) for learner in (own, coop))
    close(found, expected, 1e-5)
    with torch.no_grad():
        torch.testing.assert_close(own.loss(batch), coop.loss(batch))


def test_a_gradient_without_another_stays():
    own = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(without_conflict(own, torch.zeros(2), 1.0), own)


@pytest.mark.parametrize(
    ("words", "zeros", "fixed"),
    [
        ("a type of pet, a photo of a", 8, "a"),
        ("a type of food, a photo of", 9, "of"),
        ("a texture of", 13, ""),
        ("a photo of a person doing", 10, ""),
        ("", 16, ""),
    ],
)
def test_words_fill_the_end_and_a_comma_pushes_the_last_one_out(words, zeros, fixed):
    clip = tiny_clip()
    start, stays = late_context(clip, words, 16)
    assert stays == fixed
    assert int((start.abs().sum(1) == 0).sum()) == zeros
    embedded = clip.embed_words(words)[: 16 - zeros] if words else start[16:]
    torch.testing.assert_close(start[zeros:], embedded)


@pytest.mark.parametrize(
    ("dataset", "shots", "strength", "epochs"),
    [("dtd", 16, 0.8, 200), ("dtd", 4, 1.0, 100), ("eurosat", 8, 0.8, 200), ("oxford_pets", 16, 1.0, 200),
     ("imagenet", 16, 1.0, 50), ("oxford_flowers", 1, 1.0, 50)],
)  # fmt: skip
def test_the_recipe_is_the_papers(dataset, shots, strength, epochs):
    words = [f"dataset={dataset}", f"shots={shots}", "protocol=few_shot", "learner=prograd", "backbone=rn50"]
    arguments = settings_of(words).learner.arguments
    assert (arguments["strength"], arguments["optim"].arguments["epochs"]) == (strength, epochs)
    templates = {"oxford_pets": "a type of pet, a photo of a {}.", "eurosat": "a centered satellite photo of {}."}
    if dataset in templates:
        assert arguments["teacher_template"] == templates[dataset]


TARGETS = {"oxford_pets": "a type of pet, a photo of a {}.", "food101": "a type of food, a photo of {}."}


def test_another_datasets_fixed_word_is_its_own_where_a_table_has_it():
    """What stands between context and name, in a prompt written out."""
    clip, names = tiny_clip(), class_names(3)
    learner = ProGrad(clip, names, target_templates=TARGETS)
    learner.ctx.data.normal_(generator=torch.Generator().manual_seed(1))
    moved = learner.rebind(["sphynx", "beagle"], "a photo of a {}, a type of pet.")
    for target, words in (("oxford_pets", "a "), ("food101", "of "), ("dtd", "")):
        tested = moved.tested_on(target, "imagenet")
        written = [words + name for name in moved.class_names]
        full = full_encode(clip.model, *full_prompts(clip, written, learner.ctx.detach()))
        torch.testing.assert_close(tested.text_features(), full, atol=1e-5, rtol=0)
        assert tested.ctx is learner.ctx
    assert moved.tested_on("oxford_pets", "oxford_pets") is moved  # its own dataset
    assert ProGrad(clip, names).tested_on("oxford_pets", "imagenet").prompts.words == ""
    for_others = ProGrad(
        clip, names, teacher_template=TARGETS["food101"], target_templates={"else": "a photo of a {}."}
    )
    assert (for_others.prompts.words, for_others.tested_on("sun397", "food101").prompts.words) == ("of", "")
    random = ProGrad(clip, names, words_start=False, target_templates=TARGETS)
    assert random.tested_on("oxford_pets", "imagenet") is random


def test_the_targets_table_is_the_trained_datasets():
    """``learner=prograd_targets`` differs by what it says of targets alone, which is in no id at its default."""
    table = settings_of(["learner=prograd_targets"]).learner.arguments["target_templates"]
    for dataset in (*table.keys() - {"else"}, "caltech101"):
        words = [f"dataset={dataset}", "protocol=few_shot"]
        own = settings_of([*words, "learner=prograd"]).learner
        assert table.get(dataset, table["else"]) == own.arguments["teacher_template"]
    with_table = arguments_of(settings_of([*words, "learner=prograd_targets"]).learner)
    assert with_table == {**arguments_of(own), "target_templates": dict(table)}
    assert "target_templates" not in arguments_of(own)


def test_fewer_vectors_than_words_are_named():
    with pytest.raises(ValueError, match="n_ctx=3, but 'a photo of a' has 4 words"):
        ProGrad(tiny_clip(), ["cat"], n_ctx=3)

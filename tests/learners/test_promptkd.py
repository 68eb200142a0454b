"""PromptKD against its formula by hand, against what the authors' code computed, and with a teacher of its own."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

import promptlab
from promptlab.config.choice import Choice
from promptlab.learners import Batch, CoOp, Optim, PromptKD, PromptSRC, SavedLearner, TaskRes, ZeroShot
from promptlab.learners.base.marks import marks_of
from promptlab.runs.facts import arguments_of
from promptlab.saved.load import load_learner
from promptlab.support.errors import UsageError
from tests.helpers.images import pictures, prompted_by_hand
from tests.helpers.learners import TEACHER
from tests.helpers.models import class_names, freeze, rule_model, rule_tensor, tiny_clip, tiny_model
from tests.helpers.prompts_golden import close, prompts_golden, steps_held
from tests.helpers.settings import settings_of

ZERO_BUT_FOR_ROUNDING = "projector.0.bias"
"""It stands in front of the batch norm, which takes its own mean away."""


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("promptkd")


@pytest.fixture(scope="module")
def distilled(golden):
    """Their student and teacher."""
    shapes, salt = json.loads(golden.metadata["teacher_clip"]), golden.salt + 1
    sizes = {"text_width": 96, "text_heads": 4, "text_layers": 4, "vision_layers": 4}
    clip = freeze(rule_model(salt, embed_dim=shapes["embed_dim"], **sizes), "teacher")
    teacher = PromptSRC(clip, golden.names, prompt_depth_text=3, prompt_depth_vision=3)
    theirs = teacher.authors_names()
    for name, parameter in teacher.named_parameters():
        if name != "ctx":  # from its words
            parameter.data = rule_tensor(theirs[name], parameter.shape, salt, 0.02)
    known = SavedLearner(id="theirs", dim=clip.dim)
    learner = PromptKD(golden.clip, golden.names, teacher=known, prompt_depth_vision=3, weight=1000)
    learner.learn_from(teacher)
    for name, parameter in learner.named_parameters():
        parameter.data = by_their_rule(golden, THEIRS[name], parameter.shape)
    return learner, teacher, golden.drawn("images", (6, 3, 32, 32), 1.0)


THEIRS = {
    "image_prompts.layers.0": "image_encoder.VPT",
    **{f"image_prompts.layers.{i}": f"image_encoder.transformer.resblocks.{i}.VPT_shallow" for i in (1, 2)},
    **{f"projector.{i}.{part}": f"VPT_image_trans.conv1.{i}.{part}" for i in (0, 1, 3) for part in ("weight", "bias")},
}


def by_their_rule(golden, name, shape):
    if "VPT_image" not in name:
        return golden.drawn(name, shape, 0.02)
    if name.endswith(("0.weight", "3.weight")):
        shape = (*shape, 1, 1)  # a convolution of theirs
    drawn = golden.drawn(name, shape, 0.1)
    return 1 + drawn if name.endswith("1.weight") else drawn.reshape(shape[:2])


def test_their_teacher(golden, distilled):
    learner, teacher, images = distilled
    expected = golden.of("promptkd.teacher")
    close(learner.texts, expected["text_features"], 1e-5)
    close(teacher.image_features(images).detach(), expected["image_features"], 1e-5)
    torch.testing.assert_close(learner._teacher_scores()(images).detach(), expected["logits"], atol=1e-4, rtol=0)


def test_their_student(golden, distilled):
    learner, _, images = distilled
    expected = golden.of("promptkd")
    close(learner.eval().image_features(images).detach(), expected["eval.image_features"], 1e-5)
    torch.testing.assert_close(learner.scorer()(images).detach(), expected["eval.logits"], atol=1e-4, rtol=0)
    learner.train()
    close(learner.image_features(images).detach(), expected["image_features"], 1e-5)
    torch.testing.assert_close(learner(images).detach(), expected["logits"], atol=1e-4, rtol=0)
    learner.projector[1].reset_running_stats()
    batch = Batch(images, torch.full((6,), -1))
    loss = learner.loss(batch)
    torch.testing.assert_close(loss, expected["loss"], atol=1e-2, rtol=1e-5)
    torch.testing.assert_close(loss / learner.weight, expected["loss.kl"], atol=1e-5, rtol=1e-5)
    parameters = dict(learner.named_parameters())
    for name, found in zip(parameters, torch.autograd.grad(loss, parameters.values()), strict=True):
        if name != ZERO_BUT_FOR_ROUNDING:
            wanted = expected[f"grad.{THEIRS[name]}"]
            close(found.reshape(wanted.shape), wanted, 1e-4)
    learner.projector[1].reset_running_stats()
    flat = {name: tensor.flatten(1).squeeze(-1) if tensor.ndim == 4 else tensor for name, tensor in expected.items()}
    (stage,) = learner.fit_plan()
    optim = replace(stage.optim, epochs=1, schedule="constant", warmup_epochs=0)
    steps_held(learner, optim, batch, {n: f"after_3_steps.{own}" for n, own in THEIRS.items()}, flat, 1e-4)
    for part in ("running_mean", "running_var"):
        found = getattr(learner.projector[1], part)
        close(found, expected[f"after_3_steps.VPT_image_trans.conv1.1.{part}"], 1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_loss_is_the_papers(temperature):
    """Image by image and class by class; the teacher is a plain CLIP, which reads features, and has its own scale."""
    clip, names, softer = tiny_clip(), class_names(4), tiny_model()
    softer.logit_scale.data -= 0.7
    own = freeze(softer, "softer")
    assert own.logit_scale < 0.6 * clip.logit_scale
    known = SavedLearner(id="plain", dim=clip.dim)
    learner = PromptKD(clip, names, teacher=known, prompt_depth_vision=2, weight=30.0, temperature=temperature)
    learner.learn_from(ZeroShot(own, ["bus"], template="a {}."), "two {}.")
    images = pictures()[:3]
    h = clip.encode_texts([f"two {name}." for name in names])
    e = F.normalize(clip.model.encode_image(images), dim=-1)
    x = prompted_by_hand(clip.model, images, learner.image_prompts(), normalised=False)
    hidden = learner.projector[0].weight @ x.T + learner.projector[0].bias[:, None]  # (T, B)
    centred = (hidden - hidden.mean(1, keepdim=True)) / (hidden.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    f = F.normalize((learner.projector[3].weight @ centred.relu() + learner.projector[3].bias[:, None]).T, dim=-1)
    expected = 0.0
    for i in range(3):
        t = (own.logit_scale * e[i] @ h.T / temperature).softmax(-1)
        z = (clip.logit_scale * f[i] @ h.T / temperature).softmax(-1)
        expected += sum(float((t[c] * (t[c] / z[c]).log()).detach()) for c in range(4)) / (3 * 4)
    found = learner.loss(Batch(images, torch.full((3,), -1)))
    assert float(found.detach()) == pytest.approx(30 * temperature**2 * expected, rel=1e-4)


@pytest.fixture(scope="module")
def demo():
    return promptlab.load_clip("demo")


def test_a_fit_reads_every_unlabelled_image_and_no_label(demo):
    data = promptlab.demo_dataset("demo_shapes")
    names = data.class_names[:3]
    unlabelled = data.train.of_classes([0, 1, 2]).take(range(0, 90, 9))
    optim = Optim(lr=0.005, batch_size=5, epochs=2)
    learner = PromptKD(demo, names, teacher=TEACHER, prompt_depth_vision=1, optim=optim)
    seen, loss = [], learner.loss
    learner.loss = lambda batch: seen.append(batch.labels) or loss(batch)
    report = promptlab.fit(learner, data.train.of_classes([0]).take([0, 1]), unlabelled=unlabelled)
    assert torch.equal(torch.cat(seen), torch.full((20,), -1))
    assert [point.accuracy for point in report.curve] == [None, None]
    assert report.notes == ("10 images without labels trained",)
    assert int(learner.projector[1].num_batches_tracked) == 4
    assert marks_of(learner) == ("unlabelled images",)
    assert all(not parameter.grad_fn for parameter in learner.parameters())


def test_a_saved_student_says_who_taught_and_needs_no_teacher(demo, tmp_path):
    teacher = CoOp(demo, ["ring", "star"], n_ctx=2).save_pretrained(tmp_path / "teacher")
    known = SavedLearner(folder=str(teacher))
    student = PromptKD(demo, ["red ring", "red star"], teacher=known, prompt_depth_vision=1).eval()
    student.save_pretrained(tmp_path / "student")
    for file in teacher.iterdir():
        file.unlink()
    card = json.loads((tmp_path / "student" / "card.json").read_text())
    said = card["arguments"]["teacher"]
    assert (said["learner"], said["fingerprint"], said["folder"]) == ("promptlab.learners.CoOp", demo.fingerprint, None)
    again = load_learner(tmp_path / "student", demo)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(images), student(images))
    assert again.select([1])(images).shape == (2, 1)
    with pytest.raises(UsageError, match="was loaded without its teacher, and can't be trained"):
        again.loss(Batch(images, torch.tensor([0, 1])))


def test_what_taught_is_part_of_what_a_fit_is(demo, tmp_path):
    kept = [CoOp(demo, ["ring"], n_ctx=n).save_pretrained(tmp_path / str(n)) for n in (2, 3)]
    made = [SavedLearner(folder=str(folder)) for folder in (*kept, TEACHER.folder)]
    told = [arguments_of(Choice(PromptKD, {"teacher": teacher}))["teacher"] for teacher in made]
    assert len({of["id"] for of in told}) == 3
    assert all(of["folder"] is None for of in told)
    (tmp_path / "2").rename(tmp_path / "moved")
    moved = Choice(SavedLearner, {"folder": str(tmp_path / "moved")})
    assert arguments_of(Choice(PromptKD, {"teacher": moved}))["teacher"] == told[0]
    with pytest.raises(UsageError, match=r"is learner [0-9a-f]{16}, and other is wanted"):
        SavedLearner(folder=str(kept[1]), id="other").identified()


def test_what_can_not_teach_is_named(demo):
    with pytest.raises(UsageError, match="a teacher is needed: teacher=FOLDER"):
        PromptKD(demo, ["ring"], teacher=SavedLearner())
    learner = PromptKD(demo, ["ring"], teacher=SavedLearner(id="x", dim=demo.dim), prompt_depth_vision=1)
    with pytest.raises(ValueError, match="TaskRes can't teach: PromptKD reads the text features of any names"):
        learner.learn_from(TaskRes(demo, ["ring"]))
    with pytest.raises(ValueError, match=r"gives text features \(1, 48\), \(1, 128\) are expected"):
        learner.learn_from(ZeroShot(tiny_clip(), ["ring"]))


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["protocol=base_to_new", "dataset=dtd"], (9, 200)),
        (["protocol=base_to_new", "dataset=eurosat"], (9, 1000)),
        (["protocol=few_shot", "dataset=oxford_pets"], (3, 1000)),
    ],
)
def test_the_recipe_is_the_papers(words, settings):
    choice = settings_of(["learner=promptkd", "backbone=vit_b16", "teacher=saved", *words]).learner
    arguments = choice.arguments
    assert (arguments["prompt_depth_vision"], arguments["weight"]) == settings
    optim = arguments["optim"].arguments
    assert (optim["lr"], optim["batch_size"], optim["epochs"]) == (0.005, 8, 20)
    assert arguments["teacher"].arguments["folder"] == "saved"

"""What a stage can ask for: each against its formula written out, and each killed and resumed to equal bits."""

import itertools
from functools import cache

import pytest
import torch
from torch.nn import functional as F

from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import training_transform
from promptlab.learners import GradientStage
from promptlab.learners.base.optim import Optim, ParameterGroup
from promptlab.support.random_streams import stream, stream_seed, view_stream
from promptlab.training.comparison import Comparison
from promptlab.training.fit import fit
from promptlab.training.loaders import FeatureLoader
from promptlab.training.stage_data import StageData
from tests.helpers.fits import NAMES, QUIET, items
from tests.helpers.models import tiny_clip
from tests.helpers.toys import (
    PLAIN,
    Averages,
    CountsUnlabelled,
    EditsGradients,
    Toy,
    TwoGroups,
    UnlabelledAlone,
    UsesUnlabelled,
    WeakAndStrong,
    entropy,
    projected,
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return FeatureBank(tmp_path_factory.mktemp("bank") / "features.sqlite")


@cache
def backbone():
    return tiny_clip()


@pytest.fixture(scope="module")
def clip():
    return backbone()


class KilledError(Exception):
    """What stands for a kill."""


def fitted(learner, bank, *, kill_at=None, folder=None, **options):
    """The learner, fitted on 40 items; killed before a step if asked, and then its report is None."""
    steps, plain = itertools.count(), learner.loss

    def counted(batch):
        if next(steps) == kill_at:
            raise KilledError
        return plain(batch)

    learner.loss = counted
    options = {"views": 2, "seed": 3, "trainer": QUIET, **options}
    if folder is not None:
        options |= {"checkpoint": folder / "resume.ckpt", "ckpt_every_s": 0}
    try:
        return learner, fit(learner, items(0, 40), bank=bank, **options)
    except KilledError:
        return learner, None


def batches(clip, bank, epochs=4, **options):
    """The batches of 40 items that a fit with two views and seed 3 sees, epoch by epoch."""
    features = bank.features(clip, items(0, 40), views=2)
    labels = torch.from_numpy(items(0, 40).labels)
    loader = FeatureLoader(features, labels, batch_size=8, seed=3, stage="toy", **options)
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        yield list(loader)


def same(learner, other):
    for name, tensor in learner.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def close(learner, other):
    for name, tensor in learner.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name], rtol=1e-5, atol=1e-6)


STEPS = Optim(steps=17, batch_size=8, lr=0.1, **PLAIN | {"schedule": "cosine_per_step", "momentum": 0.9})
UNLABELLED = {"unlabelled": items(40, 60)}
CHOSEN = {"select": "val", "val": items(40, 60)}
FIVE_STEPS = Optim(epochs=4, batch_size=4, lr=0.1)


def strong(image, generator):
    """A stage's own view: the picture, dimmed by a draw, under the usual normalisation."""
    picture = training_transform(backbone(), (0.5, 1.0))(image, generator)
    return picture * torch.rand((), generator=generator)


CASES = {
    "edited gradients": (EditsGradients, {}, {}),
    "mean over epochs": (Averages, {}, {}),
    "mean over epochs, chosen": (Averages, {}, CHOSEN),
    "two groups": (TwoGroups, {}, {}),
    "steps of the trainer": (Toy, {}, {"trainer": {**QUIET, "max_steps": 17}}),
    "steps": (Toy, {"optim": STEPS}, {}),
    "weak and strong": (WeakAndStrong, {}, {}),
    "weak and strong, online": (WeakAndStrong, {}, {"views": "online"}),
    "unlabelled": (UsesUnlabelled, {}, UNLABELLED),
    "unlabelled alone, chosen": (
        UnlabelledAlone,
        {"optim": FIVE_STEPS},
        {**UNLABELLED, "select": "val", "val": items(40, 60)},
    ),
    "unlabelled, online": (UsesUnlabelled, {}, {**UNLABELLED, "views": "online"}),
}


@pytest.fixture(scope="module")
def unbroken(clip, bank):
    """By case: the learner and the report of a fit that nothing killed, fitted once."""

    @cache
    def of(case):
        kind, arguments, options = CASES[case]
        return fitted(kind(clip, NAMES, **arguments), bank, **options)

    return of


@pytest.mark.parametrize("kill_at", [3, 5, 12, 16])
@pytest.mark.parametrize("case", CASES)
def test_killed_and_resumed_to_equal_bits(clip, bank, unbroken, tmp_path, case, kill_at):
    kind, arguments, options = CASES[case]
    whole, expected = unbroken(case)
    assert fitted(kind(clip, NAMES, **arguments), bank, kill_at=kill_at, folder=tmp_path, **options)[1] is None
    again, report = fitted(kind(clip, NAMES, **arguments), bank, folder=tmp_path, **options)
    assert (tmp_path / "resume.ckpt").exists() is False
    assert report.curve == expected.curve
    assert report.selection == expected.selection
    same(whole, again)


@pytest.mark.parametrize("case", CASES)
def test_killed_after_its_last_step(clip, bank, tmp_path, case):
    """The state of the last epoch is there, what was learned is not written yet: nothing is trained on."""
    kind, arguments, options = CASES[case]
    whole, expected = fitted(kind(clip, NAMES, **arguments), bank, folder=tmp_path, discard_checkpoint=False, **options)
    again, report = fitted(kind(clip, NAMES, **arguments), bank, folder=tmp_path, kill_at=0, **options)
    assert report.curve == expected.curve
    same(whole, again)


@pytest.mark.parametrize("case", CASES)
def test_torchs_global_state_plays_no_part(clip, bank, case):
    kind, arguments, options = CASES[case]
    learners = []
    for state in (1, 2):
        torch.manual_seed(state)
        learners.append(fitted(kind(clip, NAMES, **arguments), bank, **options)[0])
    same(*learners)


def test_gradients_are_edited_before_the_step(clip, bank):
    optim = Optim(epochs=4, batch_size=8, lr=0.1, **PLAIN)
    learner, _ = fitted(EditsGradients(clip, NAMES, optim=optim), bank)
    plain = EditsGradients(clip, NAMES)
    for batch in itertools.chain(*batches(clip, bank)):
        own = [plain.weight, plain.bias]
        gradients = torch.autograd.grad(plain.loss(batch), own)
        others = torch.autograd.grad(plain.other(batch), own)
        with torch.no_grad():
            for parameter, gradient, other in zip(own, gradients, others, strict=True):
                parameter -= 0.1 * projected(gradient, other)
    close(learner, plain)
    assert not torch.allclose(learner.weight, fitted(Toy(clip, NAMES, optim=optim), bank)[0].weight)


def test_gradients_are_edited_once_a_step_of_several_batches_and_in_the_losss_precision(clip, bank):
    learner, seen = EditsGradients(clip, NAMES), []

    def look(batch):
        product = batch.inputs @ learner.weight.T
        seen.append((product.dtype, batch.inputs.dtype, learner.weight.grad.clone(), torch.is_grad_enabled()))

    learner.project = look
    options = {"accumulate_grad_batches": 3, "precision": "bf16-mixed", "gradient_clip_val": 1e-9}
    fitted(learner, bank, trainer=QUIET | options)
    assert len(seen) == 4 * 2  # of 5 batches an epoch, steps after the third and the last
    assert {(product, inputs, on) for product, inputs, _, on in seen} == {(torch.bfloat16, torch.float32, True)}
    assert all(gradient.norm() > 1e-6 for _, _, gradient, _ in seen)  # clipping comes after


def test_the_mean_over_epochs(clip, bank):
    """P = sum_t w_t P_t / sum_t w_t over what the epochs ended with."""
    learner, _ = fitted(Averages(clip, NAMES), bank)
    ended = [fitted(Toy(clip, NAMES), bank, trainer=QUIET | {"max_steps": 5 * n})[0] for n in (1, 2, 3, 4)]
    mean = sum(w * part.weight.detach() for w, part in zip(Averages.weights, ended, strict=True)) / 7.5
    torch.testing.assert_close(learner.weight.detach(), mean, rtol=1e-6, atol=1e-7)
    assert not torch.equal(learner.weight, ended[-1].weight)


def test_a_mean_that_begins_with_next_to_nothing(clip, bank):
    """The weights of a narrow bell are far below what fp32 can add up: the mean is that of what is there."""
    learner = Averages(clip, NAMES)
    learner.weights = (0.0, 1e-300, 1e-43, 0.0)
    third = fitted(Toy(clip, NAMES), bank, trainer=QUIET | {"max_steps": 15})[0]
    torch.testing.assert_close(fitted(learner, bank)[0].weight, third.weight)


def test_the_mean_is_what_is_chosen_by(clip, bank):
    """Each epoch is scored with the mean up to it, and the best of these is what stays."""
    val = {"select": "val", "val": items(40, 60)}
    learner, report = fitted(Averages(clip, NAMES), bank, **val)
    scores = [point.val_accuracy for point in report.curve]
    best = scores.index(max(scores))
    assert report.selection == f"best on validation images (epoch {best})"
    ended = [fitted(Toy(clip, NAMES), bank, trainer=QUIET | {"max_steps": 5 * n})[0] for n in range(1, best + 2)]
    weights = Averages.weights[: best + 1]
    mean = sum(w * part.weight.detach() for w, part in zip(weights, ended, strict=True)) / sum(weights)
    torch.testing.assert_close(learner.weight.detach(), mean, rtol=1e-6, atol=1e-7)


def test_two_groups(clip, bank):
    optim = Optim(epochs=4, batch_size=8, lr=0.1, momentum=0.0, weight_decay=0.01)
    learner, report = fitted(TwoGroups(clip, NAMES, optim=optim), bank)
    plain = Toy(clip, NAMES)
    for epoch, part in enumerate(batches(clip, bank)):
        lr = optim.lr_at(epoch)
        factor = 6.5 if epoch else 1.0  # warm-up epochs are the same for all
        for batch in part:
            weight, bias = torch.autograd.grad(plain.loss(batch), [plain.weight, plain.bias])
            with torch.no_grad():
                plain.weight -= lr * (weight + 0.01 * plain.weight)
                plain.bias -= factor * lr * (bias + 0.3 * plain.bias)
    close(learner, plain)
    assert [point.learning_rate for point in report.curve] == [optim.lr_at(epoch) for epoch in range(4)]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_number_of_steps(clip, bank, accumulate):
    """17 steps of AdamW over batches of 5 an epoch, the cosine over steps down to eta_min."""
    optim = Optim(name="adamw", steps=17, batch_size=8, lr=0.1, betas=(0.8, 0.95), eta_min=0.01, warmup_epochs=0,
                  schedule="cosine_per_step")  # fmt: skip
    trainer = QUIET | {"accumulate_grad_batches": accumulate}
    learner, report = fitted(Toy(clip, NAMES, optim=optim), bank, trainer=trainer)
    plain = Toy(clip, NAMES)
    reference = torch.optim.AdamW(plain.parameters(), lr=0.1, betas=(0.8, 0.95), weight_decay=5e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(reference, 17, eta_min=0.01)
    taken = 0
    for part in batches(clip, bank, epochs=10):
        for at in range(0, len(part), accumulate):
            if taken == 17:
                break
            for batch in part[at : at + accumulate]:
                (plain.loss(batch) / accumulate).backward()
            reference.step()
            reference.zero_grad()
            cosine.step()
            taken += 1
    close(learner, plain)
    passes = {1: 4, 2: 6}[accumulate]  # 17 steps of 5, or of 3, a pass
    assert [point.epoch for point in report.curve] == list(range(passes))
    assert report.cut_short == ()


def test_a_stage_that_is_cut_short_says_so(clip, bank):
    assert fitted(Toy(clip, NAMES), bank, trainer=QUIET | {"max_steps": 5})[1].cut_short == (
        "stage toy ran 1 of 4 epochs: the trainer's options ended it",
    )
    assert fitted(Toy(clip, NAMES, optim=STEPS), bank, trainer=QUIET | {"max_steps": 7})[1].cut_short == (
        "stage toy ran 7 of 17 steps: the trainer's options ended it",
    )


def test_a_plain_and_a_random_view_of_cached_features(clip, bank):
    """Every batch holds an item's evaluation view and one of its K random ones; the loss sees both."""
    optim = Optim(epochs=4, batch_size=8, lr=0.1, **PLAIN)
    seen = []
    learner = WeakAndStrong(clip, NAMES, optim=optim)
    plain_loss = learner.loss
    learner.loss = lambda batch: seen.append(batch) or plain_loss(batch)
    fitted(learner, bank)
    plain, random = bank.features(clip, items(0, 40)), bank.features(clip, items(0, 40), views=2)
    other = WeakAndStrong(clip, NAMES, optim=optim)
    shown = set()
    for batch in seen:
        rows = (batch.inputs[:, :1] == plain.unsqueeze(0)).all(-1).int().argmax(1)  # which item each is
        assert torch.equal(batch.inputs[:, 0], plain[rows])
        assert torch.equal(batch.labels, torch.from_numpy(items(0, 40).labels)[rows])
        which = (batch.inputs[:, 1:] == random[rows]).all(-1).int().argmax(1)
        assert torch.equal(batch.inputs[:, 1], random[rows, which])
        shown |= set(zip(rows.tolist(), which.tolist(), strict=True))
        weak, strong = batch.inputs[:, 0], batch.inputs[:, 1]
        loss = F.cross_entropy(other(weak), batch.labels)
        loss -= (other(weak).softmax(-1).detach() * other(strong).log_softmax(-1)).sum(-1).mean()
        gradients = torch.autograd.grad(loss, [other.weight, other.bias])
        with torch.no_grad():
            other.weight -= 0.1 * gradients[0]
            other.bias -= 0.1 * gradients[1]
    close(learner, other)
    assert len(shown) > 50  # of 80


def test_two_random_views_differ(clip, bank):
    learner, seen = WeakAndStrong(clip, NAMES), []
    learner.views = ("random", "random")
    learner.loss = lambda batch: (
        seen.append(batch.inputs) or Toy.loss(learner, batch._replace(inputs=batch.inputs[:, 0]))
    )
    fitted(learner, bank)
    assert all((batch[:, 0] != batch[:, 1]).any(-1).all() for batch in seen)


class SeesPictures(WeakAndStrong):
    """A learner of images that makes its strong views itself."""

    needs = "images"
    views = ("random", strong)

    def forward(self, inputs):
        return super().forward(self.clip.encode_images(inputs))

    def loss(self, batch):
        self.seen = batch
        return super().loss(batch)


def test_a_stage_makes_views_of_pictures_itself(clip, bank):
    learner, _ = fitted(SeesPictures(clip, NAMES, optim=Optim(epochs=1, batch_size=40)), bank, views="online")
    order = torch.randperm(40, generator=stream(3, "toy", 0))
    seed = stream_seed(3, "toy")
    for row in (0, 17):
        position = int(order[row])
        image = items(0, 40).source.open(position)
        weak = training_transform(clip)(image, view_stream(seed, 0, position, 0))
        assert torch.equal(
            learner.seen.inputs[row], torch.stack([weak, strong(image, view_stream(seed, 0, position, 1))])
        )


def test_unlabelled_images_come_in_rounds(clip, bank):
    """As many as there are labelled ones, each of the 20 twice an epoch of 40; the loss's formula written out."""
    optim = Optim(epochs=4, batch_size=8, lr=0.1, **PLAIN)
    learner, seen = UsesUnlabelled(clip, NAMES, optim=optim), []
    plain_loss = learner.loss
    learner.loss = lambda batch: seen.append(batch) or plain_loss(batch)
    fitted(learner, bank, **UNLABELLED)
    other = Toy(clip, NAMES)
    features = bank.features(clip, items(40, 60), views=2)
    counts = torch.zeros(20)
    for number, batch in enumerate(seen):
        matches = (batch.unlabelled[:, None, None] == features).all(-1)  # (B, N, K)
        assert matches.any(-1).sum(-1).eq(1).all()
        counts += matches.any(-1).sum(0)
        if number % 5 == 4:
            assert counts.eq(2 * (number // 5 + 1)).all()
        loss = F.cross_entropy(other(batch.inputs), batch.labels) + entropy(other(batch.unlabelled)).mean()
        gradients = torch.autograd.grad(loss, [other.weight, other.bias])
        with torch.no_grad():
            other.weight -= 0.1 * gradients[0]
            other.bias -= 0.1 * gradients[1]
    close(learner, other)


def test_labelled_batches_are_those_of_a_stage_without_unlabelled_images(clip, bank):
    learner, seen = UsesUnlabelled(clip, NAMES), []
    learner.loss = lambda batch: seen.append(batch) or Toy.loss(learner, batch)
    fitted(learner, bank, **UNLABELLED)
    for batch, plain in zip(seen, itertools.chain(*batches(clip, bank)), strict=True):
        assert torch.equal(batch.inputs, plain.inputs)
        assert torch.equal(batch.labels, plain.labels)


@pytest.mark.parametrize("views", [2, "online"])
def test_images_without_labels_may_stand_in_the_place_of_all_others(clip, bank, views):
    """An epoch is a round over the 20 of them; no label is seen, and no accuracy said."""
    learner, seen = UnlabelledAlone(clip, NAMES), []
    learner.loss = lambda batch: seen.append(batch) or UnlabelledAlone.loss(learner, batch)
    _, report = fitted(learner, bank, views=views, **UNLABELLED)
    assert [len(batch.labels) for batch in seen] == [8, 8] * 4
    assert all(batch.labels.eq(-1).all() and batch.unlabelled is None for batch in seen)
    assert [record.accuracy for record in report.curve] == [None] * 4
    assert report.notes == ("20 images without labels trained",)
    if views == 2:
        features = bank.features(clip, items(40, 60), views=2)
        for first, second in zip(seen[::2], seen[1::2], strict=True):
            found = (torch.cat([first.inputs, second.inputs])[:, None, None] == features).all(-1).any(-1)
            assert found.sum(0).le(1).all()
            assert int(found.sum()) == 16


def test_the_epoch_that_is_kept_has_its_own_batch_statistics(clip, bank, monkeypatch):
    scores, kept = iter([0.1, 0.9, 0.2, 0.3]), []
    learner = UnlabelledAlone(clip, NAMES)

    def score():
        kept.append({name: tensor.clone() for name, tensor in learner.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(StageData, "comparison", lambda data, stage, select: Comparison("val_accuracy", score))
    fitted(learner, bank, **UNLABELLED, select="val", val=items(40, 60))
    assert int(learner.norm.num_batches_tracked) == 4
    for name, tensor in learner.state_dict().items():
        assert torch.equal(tensor, kept[1][name]), name


def test_closed_forms_get_unlabelled_images(clip, bank):
    learner = CountsUnlabelled(clip, NAMES)
    fit(learner, items(0, 40), bank=bank, views=2, **UNLABELLED)
    assert torch.equal(learner.seen, bank.features(clip, items(40, 60), views=2))


class ForgetsToSay(UsesUnlabelled):
    uses_unlabelled = False


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (UsesUnlabelled, {}, "uses unlabelled images, and the fit has none"),
        (UsesUnlabelled, {"unlabelled": items(0, 0)}, "uses unlabelled images, and the fit has none"),
        (ForgetsToSay, UNLABELLED, "ForgetsToSay must say uses_unlabelled = True"),
        (WeakAndStrong, {"views": 0}, "views=0 has none"),
    ],
)
def test_what_a_fit_lacks_is_named(clip, bank, kind, options, message):
    with pytest.raises(ValueError, match=message):
        fitted(kind(clip, NAMES), bank, **options)


def test_views_that_cant_be_shown_are_named(clip, bank):
    learner = WeakAndStrong(clip, NAMES)
    learner.views = ("random", "random")
    with pytest.raises(ValueError, match="2 random views of each image are shown at once, and 1 are kept"):
        fitted(learner, bank, views=1)
    learner.views = ("plain", strong)
    with pytest.raises(ValueError, match="makes views of its own of the images: give views=online"):
        fitted(learner, bank)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch_weights": (1.0, 1.0)}, "2 epoch_weights for 4 epochs"),
        ({"epoch_weights": (0.0,) * 4}, "one of them above 0"),
        ({"epoch_weights": (1.0,), "optim": STEPS}, "steps=17 counts steps"),
        ({"views": ("weak",)}, "not 'weak'"),
    ],
)
def test_stages_that_cant_be_are_named(clip, changes, message):
    learner = Toy(clip, NAMES)
    own = {"optim": learner.optim, **changes}
    with pytest.raises(ValueError, match=message):
        GradientStage("toy", [learner.weight], learner.loss, **own)


def test_groups_that_cant_be_are_named(clip):
    learner = Toy(clip, NAMES)
    for groups in ([ParameterGroup([learner.bias])], [ParameterGroup([learner.weight])] * 2):
        with pytest.raises(ValueError, match="must name parameters of its own, each once"):
            GradientStage("toy", [learner.weight], learner.loss, learner.optim, groups=groups)
    with pytest.raises(ValueError, match="lr_factor=-1"):
        ParameterGroup([learner.bias], lr_factor=-1)

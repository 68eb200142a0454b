"""SHIP against the authors' own outputs, the plain formula, and around every inner learner."""

import json
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from promptlab import load_learner
from promptlab.cli.synthesize import _names
from promptlab.learners import Batch, CoOp, PromptLearner, TipAdapter, TipAdapterF
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import ClosedFormStage
from promptlab.learners.ship.generators import vae_loss
from promptlab.learners.ship.learner import SHIP
from tests.helpers.golden import read_golden
from tests.helpers.models import class_names, freeze, full_encode, full_prompts, rule_model, rule_tensor, tiny_clip

SEEN = 5
GENERATORS = ["vae", "gan", "vae_scratch_decoder"]


@pytest.fixture(scope="module")
def golden():
    """The authors' tensors, and SHIP around CoOp with the weights of the same rule."""
    tensors, metadata = read_golden("ship.safetensors")
    salt, n_base = int(metadata["salt"]), int(metadata["n_base"])
    names = json.loads(metadata["class_names"])
    model = rule_model(salt, embed_dim=512, text_width=512, text_heads=8, text_layers=2, vision_layers=1)
    has_images = [label < n_base for label in range(len(names))]
    inner = partial(CoOp, ctx_init="a photo of a")
    learner = SHIP(freeze(model, "golden"), names, inner=inner, has_images=has_images)
    state = {}
    for name, tensor in learner.state_dict().items():
        theirs = _their_name(name)
        if theirs:
            scale = {"ctx": 0.3}.get(theirs, 0.02 if tensor.ndim > 1 else 0.01)
            state[name] = rule_tensor(f"ship.{theirs}", tensor.shape, salt, scale)
    learner.load_state_dict(state, strict=False)

    def drawn(name, shape):
        return rule_tensor(f"ship.{name}", shape, salt, 1.0)

    return learner, tensors, drawn


def _their_name(name):
    name = name.removeprefix("generator.")
    if name.startswith("encoder."):
        return name
    return {"decoder.ctx": "ctx"}.get(name, name.replace("decoder.net", "generator.net") if "net" in name else None)


def test_golden_inputs_follow_from_the_rule(golden):
    _, tensors, drawn = golden
    assert torch.equal(drawn("eps", (8, 512)), tensors["eps"])
    assert torch.equal(drawn("prior_z", (8, 512)), tensors["prior_z"])


def test_golden_vae_step(golden, monkeypatch):
    """S2 and S4: encoder, prompt bias, reconstruction, loss and all gradients of one step."""
    learner, tensors, drawn = golden
    features = F.normalize(drawn("image_features", (8, 512)), dim=-1)
    generator = learner.generator
    mean, log_var = generator.encoder(features)
    torch.testing.assert_close(mean, tensors["mean"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(log_var, tensors["log_var"], atol=1e-5, rtol=1e-4)
    z = mean + (0.5 * log_var).exp() * tensors["eps"]
    bias = generator.decoder.contexts(z) - generator.decoder.ctx
    for m in range(4):
        torch.testing.assert_close(bias[:, m], tensors["bias"], atol=1e-5, rtol=1e-4)
    monkeypatch.setattr(generator, "noise", lambda count, source: tensors["eps"])
    reconstruction = generator.decoder(z, tensors["labels"].long())
    torch.testing.assert_close(reconstruction, tensors["reconstruction"], atol=1e-5, rtol=0)
    loss = generator.loss(Batch(features, tensors["labels"].long()))
    torch.testing.assert_close(loss, tensors["loss"].reshape(()), atol=1e-5, rtol=1e-5)
    generator.zero_grad()
    loss.backward()
    checked = 0
    for name, parameter in generator.named_parameters():
        theirs = _their_name(name)
        norm, head = tensors[f"gradnorm.{theirs}"].reshape(()), tensors[f"gradhead.{theirs}"]
        torch.testing.assert_close(parameter.grad.norm(), norm, atol=1e-7, rtol=1e-4, msg=name)
        assert (parameter.grad.flatten()[:64] - head).norm() <= 1e-4 * head.norm() + 1e-8, name
        checked += 1
    assert checked == 11
    torch.testing.assert_close(generator.decoder.ctx.grad, tensors["grad.ctx"], atol=1e-6, rtol=1e-4)


def test_golden_synthesis_and_mixed_step(golden, monkeypatch):
    """S3 and S5: features made of noise, and CoOp's step over real and synthetic ones and all classes."""
    learner, tensors, drawn = golden
    monkeypatch.setattr(learner.generator, "noise", lambda count, source: tensors["prior_z"])
    labels = tensors["synthetic_labels"].long()
    made = learner.synthesize(labels)
    torch.testing.assert_close(made, tensors["synthetic_features"], atol=1e-5, rtol=0)
    assert torch.equal(learner.inner.ctx.detach(), tensors["coop.ctx"])
    features = F.normalize(drawn("image_features", (8, 512)), dim=-1)
    both = Batch(torch.cat([features, made]), torch.cat([tensors["labels"].long(), labels]))
    torch.testing.assert_close(learner(both.inputs), tensors["coop.mixed_logits"], atol=1e-3, rtol=0)
    loss = learner.inner.loss(both)
    torch.testing.assert_close(loss, tensors["coop.mixed_loss"].reshape(()), atol=1e-4, rtol=1e-5)
    (grad,) = torch.autograd.grad(loss, learner.inner.ctx)
    assert (grad - tensors["coop.grad.ctx"]).norm() <= 1e-4 * tensors["coop.grad.ctx"].norm()


def test_golden_sizes(golden):
    """S1: parameter counts at width 512."""
    learner = golden[0]
    count = sum(parameter.numel() for parameter in learner.generator.encoder.parameters())
    assert count == 512 * 2048 + 2048 + 2 * (2048 * 512 + 512)
    assert sum(parameter.numel() for parameter in learner.generator.decoder.net.parameters()) == 4_198_912


def ship(clip=None, inner=None, names=8, **kwargs):
    clip = clip or tiny_clip()
    has_images = [label < SEEN for label in range(names)]
    return SHIP(clip, class_names(names), inner=inner or partial(CoOp, n_ctx=2), has_images=has_images, **kwargs)


def unit(count, clip, seed=1):
    return F.normalize(torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_the_networks_start_as_the_papers():
    clip = tiny_clip(embed_dim=256)
    learner, again = ship(clip), ship(clip)
    for name, parameter in learner.generator.named_parameters():
        assert torch.equal(parameter, dict(again.generator.named_parameters())[name])
        if parameter.ndim == 2:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.2), name
        else:
            assert not parameter.any(), name


def test_vae_loss_is_the_papers_formula():
    """S2, summed entry by entry."""
    generator = torch.Generator().manual_seed(0)
    x, made, mean, log_var = (torch.randn(3, 4, generator=generator) for _ in range(4))
    expected = 0.0
    for b in range(3):
        for d in range(4):
            expected += float((made[b, d] - x[b, d]) ** 2) / 3
            mu, lv = mean[b, d], log_var[b, d]
            expected += float(-0.5 * (1 + lv - mu**2 - lv.exp())) / 3
    assert float(vae_loss(made, x, mean, log_var)) == pytest.approx(expected, rel=1e-5)


def test_a_synthetic_feature_is_the_papers_prompt_encoded_in_full():
    """S3 on another model: one prompt per sample, all 77 tokens, the same shift on each context vector."""
    clip = tiny_clip()
    learner = ship(clip)
    labels = torch.tensor([6, 0, 5, 6, 7])
    z = torch.randn(5, clip.dim, generator=torch.Generator().manual_seed(3))
    net, made = learner.generator.decoder.net, learner.generator.decoder(z, labels)
    for i, label in enumerate(labels.tolist()):
        shift = net[2].weight @ torch.relu(net[0].weight @ z[i] + net[0].bias) + net[2].bias
        prompt = full_prompts(clip, [learner.class_names[label]], learner.generator.decoder.ctx + shift)
        torch.testing.assert_close(made[i : i + 1], full_encode(clip.model, *prompt), atol=1e-5, rtol=0)


def test_fresh_draws_match_the_real_items_in_number_and_are_of_label_only_classes():
    """S5."""
    learner = ship()
    generator = torch.Generator().manual_seed(0)
    batch = Batch(unit(200, learner.clip), torch.arange(200) % SEEN, generator)
    first, second = learner.with_fresh_draw(batch), learner.with_fresh_draw(batch)
    for mixed in (first, second):
        assert torch.equal(mixed.inputs[:200], batch.inputs)
        assert len(mixed.labels) == 400
        assert set(mixed.labels[200:].tolist()) == {5, 6, 7}
        torch.testing.assert_close(mixed.inputs[200:].norm(dim=1), torch.ones(200))
    assert not torch.equal(first.inputs, second.inputs)
    again = batch._replace(generator=torch.Generator().manual_seed(0))
    assert torch.equal(learner.with_fresh_draw(again).inputs, first.inputs)


@pytest.mark.parametrize(("n_synth", "expected"), [(None, 4), (7, 7)])
def test_fixed_draws_have_n_synth_a_class(n_synth, expected):
    learner = ship(n_synth=n_synth)
    real = unit(4 * SEEN * 3, learner.clip).view(4 * SEEN, 3, -1)
    train = Batch(real, torch.arange(4 * SEEN) % SEEN, torch.Generator().manual_seed(0))
    drawn = learner.with_fixed_draw(train)
    assert torch.bincount(drawn.labels).tolist() == [4] * SEEN + [expected] * 3
    assert torch.equal(drawn.inputs[: 4 * SEEN], real)
    made = drawn.inputs[4 * SEEN :]
    assert torch.equal(made[:, 0], made[:, 2])


class Mean(PromptLearner):
    """A closed form."""

    def __init__(self, clip, class_names):
        super().__init__(clip, class_names)
        self.register_buffer("means", torch.zeros(len(class_names), clip.dim))

    def forward(self, inputs):
        return self.clip.logit_scale * inputs @ self.means.T

    def fit_plan(self):
        return [ClosedFormStage("means", self.solve)]

    def solve(self, train, val):
        for label in range(len(self.class_names)):
            self.means[label] = F.normalize(train.inputs[train.labels == label].mean((0, 1)), dim=-1)

    def select(self, class_indices):
        raise NotImplementedError


def test_stages_of_the_inner_learner_see_the_union():
    learner = ship(inner=Mean)
    (generator, closed) = learner.fit_plan()
    assert generator.name == "generator"
    closed.solve(Batch(unit(10, learner.clip).unsqueeze(1), torch.arange(10) % SEEN), None)
    assert learner.inner.means.norm(dim=1).allclose(torch.ones(8))
    (_, stage) = ship().fit_plan()
    assert stage.name == "context"
    assert stage.parameters[0].shape == (2, learner.clip.width)


@pytest.mark.parametrize("kind", GENERATORS)
def test_generators_learn_what_tells_classes_apart(kind):
    """Features that gather around their class: after training, synthetic ones come closer to them than before."""
    clip = tiny_clip()
    learner = ship(clip, prompt_generator=kind)
    centres = unit(SEEN, clip, seed=9)
    labels = torch.arange(60) % SEEN
    batch = Batch(
        F.normalize(centres[labels] + 0.05 * unit(60, clip), dim=-1), labels, torch.Generator().manual_seed(0)
    )

    def closeness():
        made = learner.synthesize(labels, torch.Generator().manual_seed(1))
        return float((made * centres[labels]).sum(1).mean())

    before = closeness()
    optimiser = Optim(name="adamw", lr=3e-3, weight_decay=0.0).build(learner.generator.parameters())
    for group in optimiser.param_groups:
        group["lr"] = 3e-3
    for _ in range(60):
        optimiser.zero_grad()
        learner.generator.loss(batch).backward()
        optimiser.step()
    assert closeness() > before + 0.05


def test_the_critic_and_the_generator_leave_each_other_alone():
    """The GAN's one loss gives each side the gradient of its own formula."""
    learner = ship(prompt_generator="gan")
    gan = learner.generator
    batch = Batch(unit(6, learner.clip), torch.arange(6) % SEEN)
    whole = gan.loss(batch._replace(generator=torch.Generator().manual_seed(0)))
    grads = torch.autograd.grad(whole, list(gan.parameters()))
    names = [name for name, _ in gan.named_parameters()]
    source = torch.Generator().manual_seed(0)
    text = gan._text_features[batch.labels]
    fake = gan.decoder(gan.noise(6, source), batch.labels)
    share = torch.rand(6, 1, generator=source)
    between = (share * batch.inputs + (1 - share) * fake.detach()).requires_grad_()
    judge = lambda x: gan.critic(torch.cat([x, text], 1))  # noqa: E731
    (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
    critic = judge(fake.detach()).mean() - judge(batch.inputs).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
    ours = dict(zip(names, grads, strict=True))
    for name, parameter in gan.named_parameters():
        loss = critic if name.startswith("critic") else -judge(fake).mean()
        (expected,) = torch.autograd.grad(loss, parameter, retain_graph=True, allow_unused=True)
        expected = torch.zeros_like(parameter) if expected is None else expected
        torch.testing.assert_close(ours[name], expected, atol=1e-6, rtol=1e-4, msg=name)


def test_prompts_for_images_and_for_noise():
    learner = ship()
    images = unit(3, learner.clip)
    prompts = learner.generated_prompts(images)
    mean, _ = learner.generator.encoder(images)
    assert prompts.shape == (3, 4, learner.clip.width)
    assert torch.equal(prompts, learner.generator.decoder.contexts(mean).detach())
    assert learner.prior_prompts(2, torch.Generator().manual_seed(0)).shape == (2, 4, learner.clip.width)
    with pytest.raises(TypeError, match="no encoder"):
        ship(prompt_generator="gan").generated_prompts(images)
    with pytest.raises(TypeError, match="without prompts"):
        ship(prompt_generator="vae_scratch_decoder").prior_prompts(2)


def test_select_and_rebind_take_the_generator_along():
    learner = ship()
    chosen, other = learner.select([7, 0]), learner.rebind(["cat", "golden retriever"], "a photo of a {}.")
    assert chosen.has_images == (False, True)
    noise = torch.Generator().manual_seed
    whole = learner.synthesize(torch.tensor([7, 0]), noise(0))
    torch.testing.assert_close(chosen.synthesize(torch.tensor([0, 1]), noise(0)), whole, atol=1e-6, rtol=0)
    assert other.synthesize(torch.tensor([1, 0])).shape == (2, learner.clip.dim)
    with pytest.raises(TypeError, match="class-specific"):
        ship(inner=partial(CoOp, n_ctx=2, csc=True)).rebind(["cat"], "a photo of a {}.")


class NeedsImages(CoOp):
    needs = "images"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"has_images": [True] * 8}, "nothing to synthesise"),
        ({"has_images": [False] * 8}, "no class has images"),
        ({"has_images": [True]}, "1 entries for 8 classes"),
        ({"inner": NeedsImages}, "NeedsImages needs images"),
        ({"prompt_generator": "flow"}, "one of vae, gan, vae_scratch_decoder"),
        ({"n_synth": 0}, "a whole number from 1"),
        ({"generator_width": 0}, "a whole number from 1"),
        ({"encoder_width": 0}, "a whole number from 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    has_images = [label < SEEN for label in range(8)]
    with pytest.raises(ValueError, match=message):
        SHIP(tiny_clip(), class_names(8), **{"inner": CoOp, "has_images": has_images, **arguments})


def test_many_names_may_stand_on_the_command_line():
    names = ",".join(f"class number {i}" for i in range(40))
    assert len(_names(names)) == 40
    with pytest.raises(ValueError, match=r"names\.txt: there is no such file"):
        _names("names.txt")


def test_the_papers_views_are_larger_crops():
    assert SHIP.crop_scale == TipAdapter.crop_scale == TipAdapterF.crop_scale == (0.5, 1.0)


def test_an_inner_learners_sentences_are_saved_with_it(tmp_path):
    """The file that they came from may go."""
    clip, file = tiny_clip(), tmp_path / "cupl.json"
    names = class_names(4)
    file.write_text(json.dumps({name: [f"a {name} that glows.", f"two of {name}."] for name in names}))
    inner = partial(TipAdapter, prompts=str(file), search=False)
    learner = SHIP(clip, names, inner=inner, has_images=[True, True, True, False])
    learner.save_pretrained(tmp_path / "saved")
    file.unlink()
    again = load_learner(tmp_path / "saved", clip)
    images = unit(3, clip)
    torch.testing.assert_close(again(images), learner(images))


def test_an_inner_cache_whose_parts_do_not_fit_each_other_is_refused():
    clip, names = tiny_clip(), class_names(4)
    learner = SHIP(clip, names, inner=partial(TipAdapter, search=False), has_images=[True] * 3 + [False])
    tensors = {**learner.learned_tensors(), "inner.keys": unit(5, clip), "inner.labels": torch.arange(4)}
    with pytest.raises(ValueError, match="equal rows, these have 5 and 4"):
        learner.load_learned(tensors)
    learner.load_learned({**tensors, "inner.keys": unit(4, clip)})
    assert learner.inner.keys.shape == (4, clip.dim)

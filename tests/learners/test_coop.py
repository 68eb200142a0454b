"""CoOp against the authors' own outputs, the plain formula, and its edges."""

import json
import logging

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch
from promptlab.learners.coop import CoOp
from promptlab.learners.zero_shot import ZeroShot
from tests.helpers.coop import CASES, learner_of
from tests.helpers.golden import read_golden
from tests.helpers.models import class_names, freeze, full_encode, full_prompts, rule_model, tiny_clip
from tests.helpers.prompts_golden import close


@pytest.fixture(scope="module")
def golden():
    tensors, metadata = read_golden("coop.safetensors")
    model = rule_model(int(metadata["salt"]), embed_dim=48, text_width=96, text_heads=4, text_layers=3, vision_layers=2)
    return freeze(model, "golden"), json.loads(metadata["class_names"]), tensors


@pytest.mark.parametrize("case", CASES)
def test_golden_logits_gradients_and_ten_steps(golden, case):
    """P3 to P5 and P8: what the authors' CustomCLIP computed."""
    clip, names, tensors = golden

    def expect(part):
        return tensors[f"coop.{case}.{part}"]

    learner = learner_of(case, clip, names)
    if case.endswith("words"):
        assert torch.equal(learner.ctx.detach(), expect("ctx"))
    learner.load_learned({"ctx": expect("ctx")})
    features, labels = tensors["image_features"], tensors["labels"].long()
    torch.testing.assert_close(learner(features), expect("logits"), atol=1e-4, rtol=0)
    loss = learner.loss(Batch(features, labels))
    torch.testing.assert_close(loss, expect("loss").reshape(()), atol=1e-5, rtol=1e-5)
    (grad,) = torch.autograd.grad(loss, learner.ctx)
    assert (grad - expect("grad.ctx")).norm() <= 1e-4 * expect("grad.ctx").norm()
    close(grad, expect("grad.ctx"), 1e-4)
    optimiser = Optim(warmup_epochs=0, schedule="constant").build([learner.ctx])
    for _ in range(10):
        optimiser.zero_grad()
        learner.loss(Batch(features, labels)).backward()
        optimiser.step()
    torch.testing.assert_close(learner.ctx.detach(), expect("ctx_after_10_steps"), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("csc", [False, True])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_logits_are_the_plain_formula(position, csc):
    clip, names = tiny_clip(), class_names(8)
    learner = CoOp(clip, names, n_ctx=5, csc=csc, class_token_position=position)
    images = F.normalize(torch.randn(6, clip.dim, generator=torch.Generator().manual_seed(1)), dim=-1)
    text = full_encode(clip.model, *full_prompts(clip, names, learner.ctx, position))
    plain = clip.model.logit_scale.exp() * images @ text.T
    torch.testing.assert_close(learner(images), plain, atol=1e-4, rtol=0)


def test_untrained_words_equal_zero_shot():
    """P6."""
    clip, names = tiny_clip(), ["cat", "golden_retriever", "sea or lake"]
    coop = CoOp(clip, names, ctx_init="a photo of a")
    zero_shot = ZeroShot(clip, names, template="a photo of a {}.")
    torch.testing.assert_close(coop.text_features(), zero_shot.text_features(), atol=1e-6, rtol=0)


def test_words_of_several_tokens_are_counted(caplog):
    clip = tiny_clip()
    with caplog.at_level(logging.WARNING):
        learner = CoOp(clip, ["cat"], ctx_init="an electroencephalogram of")
    assert learner.ctx.shape[0] == len(clip.tokenizer.encode("an electroencephalogram of")) > 3
    assert f"{learner.ctx.shape[0]} tokens" in caplog.text


def test_only_the_context_trains():
    """P20, first half."""
    learner = CoOp(tiny_clip(), ["cat", "dog"], n_ctx=4)
    assert [name for name, _ in learner.named_parameters()] == ["ctx"]
    assert learner.state_dict().keys() == {"ctx"}


def test_random_start_has_the_papers_spread_and_follows_its_generator():
    clip = tiny_clip()
    first = CoOp(clip, ["cat"], n_ctx=64, generator=torch.Generator().manual_seed(7)).ctx
    again = CoOp(clip, ["cat"], n_ctx=64, generator=torch.Generator().manual_seed(7)).ctx
    other = CoOp(clip, ["cat"], n_ctx=64, generator=torch.Generator().manual_seed(8)).ctx
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_class_specific_contexts_stay_with_their_classes():
    clip = tiny_clip()
    learner = CoOp(clip, ["cat", "dog", "tree"], n_ctx=2, csc=True)
    assert not learner.open_vocabulary
    with pytest.raises(TypeError, match="class-specific"):
        learner.rebind(["car"], "a photo of a {}.")
    chosen = learner.select([2, 0])
    assert torch.equal(chosen.ctx.detach(), learner.ctx.detach()[[2, 0]])
    torch.testing.assert_close(chosen.text_features(), learner.text_features()[[2, 0]], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_token_position": "begin"}, "one of end, middle, front"),
        ({"n_ctx": 8, "ctx_init": "a photo of a"}, "ctx_init='a photo of a' has 4 tokens"),
        ({"n_ctx": 0}, r"n_ctx=0\): a whole number from 1"),
        ({"n_ctx": 2, "ctx_init": "a photo of a"}, "n_ctx=2, but ctx_init='a photo of a' has more words"),
        ({"ctx_init": " "}, "words to start from, without braces"),
        ({"ctx_init": "a photo of a {}"}, "words to start from, without braces"),
        ({"csc": "yes"}, "true or false"),
        ({"n_ctx": 90}, "class 'cat' has 94 tokens"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CoOp(tiny_clip(), ["cat"], **arguments)


def test_no_classes_are_refused():
    with pytest.raises(ValueError, match="no class names"):
        CoOp(tiny_clip(), [])


def test_wrong_tensors_are_named():
    learner = CoOp(tiny_clip(), ["cat"], n_ctx=4)
    with pytest.raises(ValueError, match=r"ctx has shape \(3, 32\), expected \(4, 32\)"):
        learner.load_learned({"ctx": torch.zeros(3, 32)})
    with pytest.raises(ValueError, match="ctx is missing; other is unknown"):
        learner.load_learned({"other": torch.zeros(3)})

"""What a learner may do with test images: views of each, an adaptation that is forgotten, all of them together."""

import pytest
import torch
from PIL import Image

from promptlab.evaluation.evaluate import evaluate, logits_of
from promptlab.evaluation.predict import predict
from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import training_transform
from promptlab.support.random_streams import view_stream
from tests.helpers.fits import NAMES, Squares, items
from tests.helpers.models import tiny_clip
from tests.helpers.toys import Adapts, MeanOfViews, Together, Toy, entropy


@pytest.fixture
def bank(tmp_path):
    return FeatureBank(tmp_path / "features.sqlite")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


ORDER = [3, 0, 11, 7, 5, 1, 2, 9, 4, 6, 8, 10]


def views_of(clip, bank, chosen, views):
    """(N, K, D): the plain view, then random ones."""
    random = bank.features(clip, chosen, views=views - 1)
    return torch.cat([bank.features(clip, chosen).unsqueeze(1), random], 1)


def adapted(learner, views):
    """The toy's rule for one image (K, D), written out: one step down the entropy of the mean prediction."""
    weight, bias = (p.detach().clone().requires_grad_() for p in (learner.weight, learner.bias))
    mean = (10 * views @ weight.T + bias).softmax(-1).mean(0)
    gradients = torch.autograd.grad(-(mean * mean.log()).sum(), [weight, bias])
    weight, bias = weight - 0.5 * gradients[0], bias - 0.5 * gradients[1]
    return 10 * views[0] @ weight.T + bias


def test_each_image_is_adapted_to_and_forgotten(clip, bank):
    learner, chosen = Adapts(clip, NAMES), items(0, 12)
    before = {name: (tensor, tensor.clone()) for name, tensor in learner.state_dict(keep_vars=True).items()}
    logits = logits_of(learner, chosen, bank)
    expected = torch.stack([adapted(learner, views) for views in views_of(clip, bank, chosen, 4)])
    torch.testing.assert_close(logits, expected.detach(), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits, logits_of(Toy(clip, NAMES), chosen, bank), atol=1e-3)
    for name, tensor in learner.state_dict(keep_vars=True).items():
        assert tensor is before[name][0]
        assert torch.equal(tensor, before[name][1])
        assert tensor.grad is None


def test_the_order_of_images_does_not_matter(clip, bank):
    learner, chosen = Adapts(clip, NAMES), items(0, 12)
    logits = logits_of(learner, chosen, bank)
    assert torch.equal(logits_of(learner, chosen.take(ORDER), bank), logits[ORDER])
    assert torch.equal(logits_of(learner, chosen, bank, batch_size=5), logits)
    assert torch.equal(logits_of(learner, chosen.take([7]), bank), logits[[7]])


def test_a_learner_that_fails_forgets_too(clip, bank):
    class Fails(Adapts):
        def adapt_and_score(self, inputs):
            super().adapt_and_score(inputs)
            raise RuntimeError("no memory")

    learner = Fails(clip, NAMES)
    weight, place = learner.weight.detach().clone(), learner.weight.data_ptr()
    with pytest.raises(RuntimeError, match="no memory"):
        logits_of(learner, items(0, 2), bank)
    assert torch.equal(learner.weight, weight)
    assert learner.weight.data_ptr() == place


def test_what_was_selected_shares_tensors_and_forgets_them_too(clip, bank):
    """A learner and its selection share buffers and parameters: adapting one doesn't change the other."""
    learner = Adapts(clip, NAMES)
    other = learner._relabelled(NAMES)
    weight = learner.weight.detach().clone()
    assert torch.equal(logits_of(other, items(0, 3), bank), logits_of(learner, items(0, 3), bank))
    assert other.weight is learner.weight
    assert torch.equal(learner.weight, weight)


def test_views_of_test_images_are_scored_in_batches(clip, bank):
    learner, chosen = MeanOfViews(clip, NAMES), items(0, 12)
    logits = logits_of(learner, chosen, bank)
    with torch.no_grad():
        expected = 10 * views_of(clip, bank, chosen, 3).mean(1) @ learner.weight.T + learner.bias
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(logits_of(learner, chosen.take(ORDER), bank, batch_size=5), logits[ORDER])


def test_one_test_view_is_the_evaluation_transforms(clip, bank):
    learner = MeanOfViews(clip, NAMES)
    learner.test_views = 1
    torch.testing.assert_close(logits_of(learner, items(0, 5), bank), logits_of(Toy(clip, NAMES), items(0, 5), bank))


class SeesPictures(MeanOfViews):
    needs = "images"
    crop_scale = (0.5, 1.0)

    def forward(self, inputs):
        self.seen = inputs
        features = self.clip.encode_images(inputs.flatten(0, -4)).reshape(*inputs.shape[:-3], -1)
        return super().forward(features)


def test_views_of_pictures_follow_from_each_pictures_own_stream(clip, bank):
    learner, chosen = SeesPictures(clip, NAMES), items(0, 4)
    logits = logits_of(learner, chosen, bank)
    transform, content = training_transform(clip, (0.5, 1.0)), chosen.content_ids()[2]
    image = chosen.source.open(2)
    assert torch.equal(learner.seen[2, 0], clip.preprocess(image))
    assert torch.equal(learner.seen[2, 2], transform(image, view_stream(content, 1)))
    torch.testing.assert_close(logits_of(learner, chosen.take([2, 0]), bank), logits[[2, 0]])


def test_all_test_images_together(clip, bank):
    learner, chosen = Together(clip, NAMES), items(0, 12)
    logits = logits_of(learner, chosen, bank, batch_size=5)
    plain = logits_of(Toy(clip, NAMES), chosen, bank)
    torch.testing.assert_close(logits, plain - plain.mean(0))
    assert not torch.allclose(logits_of(learner, chosen.take(range(6)), bank), logits[:6])
    assert evaluate(learner, chosen, bank).top1 == (logits.argmax(1) == torch.arange(12) % 3).float().mean()


@pytest.mark.parametrize("kind", [Toy, Adapts, MeanOfViews, Together])
def test_no_images(clip, bank, kind):
    assert logits_of(kind(clip, NAMES), items(0, 0), bank).shape == (0, 3)


def test_a_transductive_learner_refuses_single_pictures(clip):
    with pytest.raises(ValueError, match="Together scores all test images together"):
        predict(Together(clip, NAMES), [Squares().open(0)])


def test_predict_adapts_to_each_picture(clip):
    learner = Adapts(clip, NAMES)
    both = predict(learner, [Squares().open(0), Squares().open(1)])
    torch.testing.assert_close(both[1:], predict(learner, [Squares().open(1)]))
    assert entropy(both.log()).mean() < entropy(predict(Toy(clip, NAMES), [Squares().open(0)]).log()).mean()


def test_predict_shows_views(clip):
    learner = SeesPictures(clip, NAMES)
    predict(learner, [Image.new("L", (40, 30), 128)])
    assert learner.seen.shape == (1, 3, 3, 32, 32)


@pytest.mark.parametrize(("kind", "method"), [("transductive", "score_together"), ("test_time", "adapt_and_score")])
def test_a_learner_that_only_says_so_is_told(clip, bank, kind, method):
    says = type("Says", (Toy,), {kind: True})
    with pytest.raises(NotImplementedError, match=f"Says says {kind}, but doesn't define {method}"):
        logits_of(says(clip, NAMES), items(0, 2), bank)

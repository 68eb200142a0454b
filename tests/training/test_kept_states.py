"""States of the image tower below MMRL's tokens: what stands in a kept row, and a fit on kept rows."""

import pytest
import torch

import promptlab
from promptlab.data.amounts import ImageStates
from promptlab.features.bank import FeatureBank
from promptlab.learners import Batch, Optim
from promptlab.support.database import CacheError
from promptlab.training import kept_states
from promptlab.training.stage_data import StageData

LAYERS = {"first_layer": 3, "last_layer": 4, "rep_dim": 8}


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


@pytest.fixture(scope="module")
def data():
    return promptlab.demo_dataset("demo_textures")


@pytest.fixture
def bank(tmp_path):
    return FeatureBank(tmp_path / "bank.sqlite")


def made(clip, data, keep_states=None, kind=promptlab.MMRL):
    optim = Optim(name="adamw", lr=1e-3, epochs=1, batch_size=4)
    return kind(clip, data.class_names, keep_states=keep_states, optim=optim, **LAYERS)


def step(learner, inputs, labels):
    learner.zero_grad()
    loss = learner.loss(Batch(inputs, labels))
    loss.backward()
    return loss.detach(), [parameter.grad.clone() for parameter in learner.parameters()]


@pytest.mark.parametrize("kind", [promptlab.MMRL, promptlab.MMRLPlusPlus])
def test_rows_say_what_the_full_pass_says(clip, data, kind):
    """To the bit in fp32, to its rounding in fp16."""
    learner = made(clip, data, kind=kind)
    images, labels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 1])
    rows = clip.encode_images(images, kind=ImageStates(2, "fp32"))
    assert rows.shape == (3, clip.states_width)
    loss, gradients = step(learner, images, labels)
    kept_loss, kept_gradients = step(learner, rows, labels)
    assert torch.equal(loss, kept_loss)
    assert all(torch.equal(a, b) for a, b in zip(gradients, kept_gradients, strict=True))
    half_loss, half_gradients = step(learner, rows.half().float(), labels)
    torch.testing.assert_close(half_loss, loss, atol=0, rtol=1e-3)
    for a, b in zip(gradients, half_gradients, strict=True):
        assert (a - b).norm() <= 5e-3 * a.norm()


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("fp16", 2)])
def test_batches_are_the_views_kept(clip, data, bank, precision, size):
    """Each view of each image is encoded once, in rows of the size that is said."""
    learner, items = made(clip, data, precision), data.train.take(range(6))
    stage_data = StageData(learner, items, None, None, bank, 3, (0.5, 1.0), 1)
    (stage,) = learner.fit_plan()
    loader, encode = stage_data.batches(stage)
    assert encode is None
    loader.set_epoch(0)
    batch = next(iter(loader))
    assert batch.inputs.shape == (4, clip.states_width)
    stored = bank.store.database.reading(
        lambda connection: connection.execute("SELECT LENGTH(feature) FROM features").fetchall()
    )
    assert [length for (length,) in stored] == [size * clip.states_width] * 18
    again = made(clip, data, precision)
    assert len(stage_data.batches(again.fit_plan()[0])[0]) == 1
    loader.set_epoch(0)
    assert torch.equal(next(iter(loader)).inputs, batch.inputs)


def test_a_fit_keeps_states_only_if_asked(clip, data, bank, monkeypatch):
    """Without the word, or with views=online, images go through the whole tower; evaluation always has images."""
    items, options = data.train.take(range(4)), {"enable_progress_bar": False}
    layers = []
    states = type(clip).image_states
    monkeypatch.setattr(type(clip), "image_states", lambda self, x, i: layers.append(len(x)) or states(self, x, i))
    promptlab.fit(made(clip, data), items, bank=bank, views=2, trainer=options)
    promptlab.fit(made(clip, data, "fp32"), items, bank=bank, views="online", trainer=options)
    assert layers == [4] * 2
    layers.clear()
    learner = made(clip, data, "fp32")
    promptlab.fit(learner, items, bank=bank, views=2, trainer=options)
    assert layers == [64]  # the bank's batch
    assert 0 <= promptlab.evaluate(learner, data.test.take(range(0, 12, 3)), bank).top1 <= 1


def test_a_disk_without_room_is_said_beforehand(clip, data, bank, monkeypatch):
    monkeypatch.setattr(kept_states, "_free", lambda bank: 1000)
    with pytest.raises(CacheError, match=r"the states of 8 views before layer 3, .* in fp16.*fewer views"):
        promptlab.fit(made(clip, data, "fp16"), data.train.take(range(4)), bank=bank, views=2)


def test_rows_that_were_taken_meanwhile(clip, data, bank):
    items = data.train.take(range(4))
    pool = kept_states.kept_states(made(clip, data, "fp16"), ImageStates(2), items, bank, 2, (0.5, 1.0))
    bank.store.database.writing(lambda connection: connection.execute("DELETE FROM features"))
    with pytest.raises(CacheError, match="start the run again"):
        pool.take(torch.arange(2), torch.zeros(2, dtype=torch.long))

"""Pictures decoded in processes beside the trainer: the numbers are those of none, and what goes wrong is said."""

import multiprocessing
import os
import signal
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from promptlab.config.choice import Choice
from promptlab.config.same import settings_key
from promptlab.config.settings import ConfigError, Settings
from promptlab.data.items import Items
from promptlab.data.pictures.reading import PictureError
from promptlab.demo import demo_dataset
from promptlab.features.bank import FeatureBank
from promptlab.features.transforms import TrainingPixels, TrainingTransform
from promptlab.learners import CoOp, MaPLe
from promptlab.learners.base.optim import Optim
from promptlab.protocols import few_shot
from promptlab.support.errors import DatasetError
from promptlab.training import decoder
from promptlab.training.decoder import LostDecoderError, workers_for
from promptlab.training.fit import fit
from promptlab.training.image_loader import ImageLoader
from promptlab.training.pictures import ImageDataset, Plain, SeveralViews
from tests.helpers.fits import NAMES, QUIET, Squares, items
from tests.helpers.models import tiny_clip

COLOURS = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
RANDOM, PIXELS = TrainingTransform(32, *COLOURS), TrainingPixels(32, *COLOURS)


def several(chosen):
    return SeveralViews(chosen, [Plain(lambda image: RANDOM(image, torch.Generator().manual_seed(1))), RANDOM], seed=5)


def pixels(chosen):
    return ImageDataset(chosen, PIXELS, seed=5)


def loader(workers, made):
    return ImageLoader(
        made(items(0, 20)), batch_size=6, drop_last=False, seed=1, stage="s", workers=workers,
        unlabelled=made(items(30, 37)),
    )  # fmt: skip


def shown(batches, epoch, *, stop=None):
    batches.set_epoch(epoch)
    return [(*batch[:2], batch.unlabelled) for batch, _ in zip(batches, range(stop or 99), strict=False)]


@pytest.mark.parametrize(
    "made", [lambda chosen: ImageDataset(chosen, PIXELS, seed=5), several], ids=["pixels", "views"]
)
def test_batches_are_those_of_no_processes_also_after_an_epoch_that_was_left(made):
    alone, ahead = loader(0, made), loader(2, made)
    assert len(shown(ahead, 1, stop=1)) == 1
    for epoch in (2, 3):
        expected, found = shown(alone, epoch), shown(ahead, epoch)
        assert len(found) == len(expected) == 4
        for one, other in zip(expected, found, strict=True):
            assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert not torch.equal(shown(alone, 3)[0][0], shown(alone, 4)[0][0])
    before = set(multiprocessing.active_children())
    assert len(before) == 4, "two loaders of two processes"
    ahead.close()
    assert not before & set(multiprocessing.active_children())


def test_pixels_are_normalised_to_the_bits_of_the_transform():
    pictures = [Squares().open(index) for index in range(8)]
    streams = [[torch.Generator().manual_seed(index) for index in range(8)] for _ in range(2)]
    views = torch.stack([PIXELS(*pair) for pair in zip(pictures, streams[0], strict=True)])
    assert views.dtype == torch.uint8
    expected = torch.stack([RANDOM(*pair) for pair in zip(pictures, streams[1], strict=True)])
    assert torch.equal(PIXELS.normalised(views), expected)


class KilledError(Exception):
    """What stands for a kill."""


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.mark.parametrize("kind", [CoOp, partial(MaPLe, depth=2)], ids=["features", "images"])
def test_what_is_learned_does_not_depend_on_the_number_of_processes(clip, tmp_path, kind):
    bank = FeatureBank(tmp_path / "features.sqlite")

    def learned(workers, *, kill_at=None, name="whole"):
        optim = Optim(epochs=3, batch_size=4, warmup_epochs=0, lr=0.02)
        made = kind(clip, NAMES, n_ctx=2, optim=optim, generator=torch.Generator().manual_seed(1))
        plain, steps = made.loss, iter(range(99))

        def loss(batch):
            if next(steps) == kill_at:
                raise KilledError
            return plain(batch)

        made.loss = loss
        fit(made, items(0, 12), bank=bank, views="online", trainer=QUIET, workers=workers, ckpt_every_s=0,
            checkpoint=tmp_path / name)  # fmt: skip
        return made.state_dict()

    expected = learned(0)
    with pytest.raises(KilledError):
        learned(2, kill_at=4, name="killed")
    assert (tmp_path / "killed").exists()
    for found in (learned(1), learned(2), learned(1, name="killed")):
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert not multiprocessing.active_children()


def of_source(open_picture):
    source = SimpleNamespace(open=open_picture)
    dataset = ImageDataset(Items(source, np.arange(8), np.arange(8)), PIXELS, seed=1)
    return ImageLoader(dataset, batch_size=2, seed=1, stage="s", workers=1)


@pytest.mark.parametrize("kind", [DatasetError, PictureError])
def test_a_picture_that_cannot_be_read_is_named_as_without_processes(kind):
    def open_picture(index):
        raise kind(f"picture: {index} is torn\nit was cut off")

    with pytest.raises(DatasetError, match=r"\Apicture: \d is torn\nit was cut off\Z"):
        list(of_source(open_picture))


def test_a_killed_process_is_a_message():
    def open_picture(index):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(LostDecoderError, match=r"data\.workers=0 decodes without"):
        list(of_source(open_picture))


@pytest.mark.parametrize(
    ("cpus", "threads", "batches", "expected"),
    [(1, 1, 100, 0), (2, 2, 100, 1), (64, 64, 100, 8), (64, 4, 100, 3), (16, 16, 5, 5), (16, 16, 1, 0)],
)
def test_auto_leaves_a_processor_to_the_trainer(monkeypatch, cpus, threads, batches, expected):
    monkeypatch.setattr(decoder, "usable_cpus", lambda: cpus)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert workers_for("auto", batches) == expected
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda **_: "spawn")
    assert workers_for("auto", batches) == 0
    assert workers_for(3, batches) == min(3, batches if batches > 1 else 0)


def settings(**changes):
    parts = {"backbone": Choice(tiny_clip), "dataset": Choice(demo_dataset, {"name": "demo_shapes"})}
    return Settings(**parts, protocol=Choice(few_shot), learner=Choice(CoOp), **changes)


def test_the_number_of_processes_is_no_part_of_what_a_run_is():
    documents = [settings(workers=workers).as_document() for workers in (0, 4, "auto")]
    assert len({settings_key(document) for document in documents}) == 1
    assert "workers" not in documents[0], "what a Result keeps is what its numbers follow from"
    with pytest.raises(ConfigError, match=r"data\.workers=-1: a whole number from 0 to 256 or auto is needed"):
        settings(workers=-1)

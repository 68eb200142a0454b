"""Encoding into shards: what an actor does, and once with Ray itself, where one of two actors is killed."""

import multiprocessing
import os
from functools import partial

import numpy as np
import pytest

from promptlab.features import FeatureBank
from promptlab.features.actors import ActorError, Encoder, Part, Plan, jobs_of
from promptlab.features.keys import collections_of
from promptlab.features.on_ray import ENVIRONMENT, Cluster, connected, encode_on_ray
from promptlab.features.shards import FOLDER_VARIABLE, folder_of, listed, mark
from promptlab.features.transforms import training_transform
from promptlab.support.errors import UsageError
from promptlab.support.files import replacing
from tests.helpers.fakes import DyingClip, FakeClip, picture_items

BATCH = 4


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "shared"))
    mark(tmp_path / "shared")
    return tmp_path / "shared"


def plan_of(root, items, *, load=FakeClip, views=0):
    clip = FakeClip()
    transform = training_transform(clip) if views else clip.preprocess
    part = Part(items.source, transform, collections_of(clip, views), "projected")
    return Plan(load, clip.fingerprint, (part,), root, BATCH, threads=1)


def jobs(items, views=1):
    images = list(zip(items.indices.tolist(), items.content_ids(), strict=True))
    return jobs_of(images, np.ones((len(items), views), bool))


def block_of(own):
    return {
        "part": np.zeros(len(own), int),
        "index": np.array([job.index for job in own]),
        "content": np.array([job.content for job in own]),
        "views": np.array([job.views for job in own]),
    }


def expected(tmp_path, items, views=0):
    return FeatureBank(tmp_path / "local.sqlite").features(
        FakeClip(), items, views=views, normalised=False, batch_size=BATCH, progress=False
    )


def over_shards(tmp_path, items, views=0):
    clip = FakeClip()
    bank = FeatureBank(tmp_path / "empty.sqlite")
    features = bank.features(clip, items, views=views, normalised=False, batch_size=BATCH, progress=False)
    return features, clip.encoded


@pytest.mark.parametrize("views", [0, 2])
def test_an_actor_writes_what_the_bank_would_have_and_nothing_twice(tmp_path, root, views):
    items = picture_items(tmp_path / "pictures", 10)
    actor = Encoder(plan_of(root, items, views=views))
    own = jobs(items, max(views, 1))
    told = actor(block_of(own[:6])), actor(block_of(own)), actor(block_of(own))
    assert [answer["encoded"] for answer in told] == [[6 * max(views, 1)], [4 * max(views, 1)], [0]]
    assert [answer["rows"] for answer in told] == [[6 * max(views, 1)], *[[10 * max(views, 1)]] * 2]
    features, encoded = over_shards(tmp_path, items, views)
    assert encoded == 0
    assert features.numpy().tobytes() == expected(tmp_path, items, views).numpy().tobytes()


def test_unreadable_images_are_told_and_the_others_kept(tmp_path, root):
    items = picture_items(tmp_path / "pictures", 10)
    own = jobs(items)
    (tmp_path / "pictures" / "image_0003.png").write_bytes(b"")
    told = Encoder(plan_of(root, items))(block_of(own))
    assert told["encoded"] == [9]
    assert ["image_0003.png" in message for message in told["unreadable"][0]] == [True]


def test_an_actor_with_other_weights_or_another_folder_is_refused(tmp_path, root):
    items = picture_items(tmp_path / "pictures", 1)
    with pytest.raises(ActorError, match="loaded fake f1, not f0"):
        Encoder(plan_of(root, items, load=partial(FakeClip, "f1")))
    with pytest.raises(ActorError, match="doesn't see"):
        Encoder(plan_of(tmp_path / "elsewhere", items))


def test_what_a_killed_actor_was_writing_is_cleared_away(tmp_path, root):
    items = picture_items(tmp_path / "pictures", 3)
    plan = plan_of(root, items)
    folder = folder_of(root, plan.parts[0].collections[0])

    def dies_while_writing():
        with replacing(folder / "a.safetensors"):
            os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=dies_while_writing)
    process.start()
    process.join()
    assert [path.suffix for path in folder.iterdir()] == [".tmp"]
    Encoder(plan)(block_of(jobs(items)))
    assert [path.suffix for path in folder.iterdir()] == [".safetensors"]


def test_actors_are_as_many_as_have_room():
    assert Cluster(nodes=1, cpus=8, gpus=0).actors(None, threads=2) == 4
    assert Cluster(nodes=2, cpus=8, gpus=3).actors(None, threads=8) == 3
    assert Cluster(nodes=1, cpus=8, gpus=0).actors(2, threads=4) == 2
    with pytest.raises(UsageError, match=r"--actors 3: there is room for 2, as each takes 4 of 8 .* OMP_NUM_THREADS=1"):
        Cluster(nodes=1, cpus=8, gpus=0).actors(3, threads=4)
    with pytest.raises(UsageError, match="--actors 2: the cluster has 1 GPU"):
        Cluster(nodes=1, cpus=8, gpus=1).actors(2, threads=4)


def test_two_actors_one_of_them_killed(tmp_path, root):
    with pytest.MonkeyPatch.context() as patch:
        for key, value in ENVIRONMENT.items():
            patch.setenv(key, value)
        ray = pytest.importorskip("ray")  # reads them when it is imported
        items = picture_items(tmp_path / "pictures", 60)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            with connected(None) as cluster:
                assert (cluster.nodes, cluster.cpus, cluster.device) == (1, 2, "cpu")
                plan = plan_of(root, items, load=partial(DyingClip, tmp_path))
                advanced = []
                told = encode_on_ray(plan, [jobs(items)], 2, gpus=False, advance=advanced.append)
        except ray.exceptions.RaySystemError as error:
            if "Failed to startup worker" not in str(error):
                raise
            pytest.skip("this machine is too busy for Ray to start its processes")
        finally:
            ray.shutdown()
    assert (told, sum(advanced), (tmp_path / "died").exists()) == (60, 60, True)
    shards = listed(folder_of(root, plan.parts[0].collections[0]))
    assert sum(said.rows for said in shards.values()) == 60
    encoded = sum(map(int, (tmp_path / "encoded.log").read_text().split()))
    assert 60 < encoded <= 60 + BATCH  # what the killed one had in work, a piece of one batch
    features, again = over_shards(tmp_path, items)
    assert again == 0
    assert features.numpy().tobytes() == expected(tmp_path, items).numpy().tobytes()

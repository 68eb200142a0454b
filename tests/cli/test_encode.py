"""``promptlab encode``, in process: what runs ask for later is there."""

import json
import os

import pytest

from promptlab.cli.main import main
from promptlab.features.encode import Row
from promptlab.features.keys import collections_of
from promptlab.features.shard_files import write_shard
from promptlab.features.shards import folder_of, shards_dir
from promptlab.features.store import FeatureStore
from promptlab.runs import session
from promptlab.runs.encode import wants_of
from tests.helpers.fakes import write_pictures
from tests.helpers.settings import settings_of

KEYS = ["dataset=folder", "dataset.name=mine", "dataset.path=pictures", "views=2"]
TRAIN, VAL, TEST = 10, 4, 6


@pytest.fixture(autouse=True)
def pictures(own_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("cat", "dog")):
        write_pictures(tmp_path / "pictures" / name, 10, seed=seed)


@pytest.fixture
def encoded(monkeypatch):
    """Numbers of pictures that were encoded, batch by batch."""
    from promptlab.clip.frozen import FrozenCLIP

    counts = []
    encode = FrozenCLIP.encode_images

    def counting(self, images, *arguments, **options):
        counts.append(int((images.flatten(1).abs().sum(1) > 0).sum()))
        return encode(self, images, *arguments, **options)

    monkeypatch.setattr(FrozenCLIP, "encode_images", counting)
    return counts


def answer(capsys, *words):
    assert main(["encode", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_after_it_encodes_nothing(capsys, encoded):
    said = answer(capsys, *KEYS)
    wanted = 2 * TRAIN + TRAIN + VAL + TEST
    assert (said["features"], said["encoded"], sum(encoded)) == (wanted, wanted, wanted)
    assert said["bytes"] == wanted * 128 * 4
    assert [(lst["split"], lst["views"], lst["images"]) for lst in said["lists"]] == [
        ("train", 2, TRAIN), ("train", 0, TRAIN), ("val", 0, VAL), ("test", 0, TEST)
    ]  # fmt: skip
    assert main([*KEYS, "protocol=few_shot", "shots=2", "learner.optim.epochs=1", "val=none"]) == 0
    assert sum(encoded) == wanted
    capsys.readouterr()
    assert answer(capsys, *KEYS)["encoded"] == 0
    assert sum(encoded) == wanted


def test_a_split_narrows_and_what_is_there_is_told(capsys, encoded):
    assert answer(capsys, *KEYS, "--split", "val")["encoded"] == VAL
    both = answer(capsys, *KEYS, "--split", "val,test")
    assert [(lst["split"], lst["were_missing"]) for lst in both["lists"]] == [("val", 0), ("test", TEST)]
    assert sum(encoded) == VAL + TEST


def test_it_says_what_is_there_and_how_much_there_is_now(capsys):
    assert main(["encode", *KEYS, "--split", "val"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[1].split() == ["mine", "val", "demo", "evaluation", "4", "4", "4"]
    assert lines[-1] == f"4 features, 0.0 MB, of which 4 were encoded now, in {os.environ['PROMPTLAB_CACHE']}"


def test_a_killed_one_goes_on(capsys, encoded, monkeypatch):
    from promptlab.clip.frozen import FrozenCLIP

    counting = FrozenCLIP.encode_images

    def killed(self, images, *arguments, **options):
        if len(encoded) == 2:
            raise KeyboardInterrupt
        return counting(self, images, *arguments, **options)

    monkeypatch.setattr(FrozenCLIP, "encode_images", killed)
    assert main(["encode", *KEYS]) == 130
    assert (kept := sum(encoded)) == 3 * TRAIN
    monkeypatch.setattr(FrozenCLIP, "encode_images", counting)
    capsys.readouterr()
    assert answer(capsys, *KEYS)["encoded"] == VAL + TEST
    assert sum(encoded) == kept + VAL + TEST


def test_what_is_in_shards_is_not_encoded(capsys, encoded):
    answer(capsys, *KEYS, "--split", "val")
    clip = session.backbone(settings_of([]).backbone)
    items = session.dataset(settings_of(KEYS).dataset).val
    collections, contents = collections_of(clip), items.content_ids()
    features, _ = FeatureStore().read_all(collections, contents)
    rows = [Row(content, 0, feature[0], 1.0) for content, feature in zip(contents, features, strict=True)]
    path = write_shard(folder_of(shards_dir(), collections[0]), collections, rows)
    assert main(["cache", "clear"]) == 0
    assert "4 features in shards" in capsys.readouterr().out
    assert answer(capsys, *KEYS, "--split", "val")["encoded"] == 0
    assert sum(encoded) == VAL
    assert main(["cache", "list"]) == 0
    assert f"but shards in {shards_dir()}" in capsys.readouterr().out
    assert main(["verify", str(shards_dir())]) == 0
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["verify", str(shards_dir())]) == 1
    assert main(["cache", "clear", "--shards"]) == 0
    assert not list(shards_dir().rglob("*.safetensors"))


def test_wants_are_those_of_all_settings_once():
    plain, images, several = (settings_of([f"views={views}"]) for views in (0, "online", 4))
    assert [(want.split, want.views) for want in wants_of([plain, images, several, several])] == [
        ("train", 0), ("val", 0), ("test", 0), ("train", 4)
    ]  # fmt: skip


def test_targets_of_a_protocol_are_scored_images():
    targets = ["protocol=cross_dataset", "protocol.targets=[demo_shapes_dark]", "views=0"]
    assert [(want.dataset, want.split, len(want.items)) for want in wants_of([settings_of(targets)], ["test"])] == [
        ("demo_shapes", "test", 1440), ("demo_shapes_dark", "test", 1440)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--actors", "2"], "--actors and --address are for --ray"),
        (["--split", "tests"], "--split tests: allowed are train, val, test"),
        (["dataset=demos"], "did you mean demo_shapes?"),
        (["viewss=2"], "unknown key viewss, did you mean views?"),
    ],
)
def test_what_can_not_be_understood_is_said(words, said, capsys):
    assert main(["encode", *words]) == 2
    assert said in capsys.readouterr().err

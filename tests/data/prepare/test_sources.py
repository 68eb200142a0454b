"""``sources.yaml``: what it says fits the configurations of the datasets and what torchvision knows."""

import re
from pathlib import Path, PurePosixPath

import pytest
import yaml

from promptlab.data.prepare.examine import layouts_of
from promptlab.data.prepare.sources import FILE, find, is_needed, sources_of
from promptlab.support.paths import conf_dir
from tests.helpers.benchmarks import TEMPLATES

KNOWN = list(yaml.safe_load(FILE.read_text()))
GENERALISED = ["cub", "awa2", "flo", "sun"]


def node(name):
    return yaml.safe_load((conf_dir() / "dataset" / f"{name}.yaml").read_text())


def image_folder(config):
    return config["folders"][0] if "folders" in config else f"{config['folder']}/{config['image_folder']}"


def places(name):
    sources = sources_of(name)
    return [place for remote in sources.download for place in remote.place.values()] + [
        step.to for step in sources.by_hand
    ]


def test_every_benchmark_has_its_sources_and_no_other_dataset_has():
    assert sorted(KNOWN) == sorted([*TEMPLATES, *GENERALISED])
    assert sources_of("folder") == sources_of("demo_shapes")
    assert places("folder") == []


@pytest.mark.parametrize("name", KNOWN)
def test_places_are_those_that_the_reader_looks_into(name):
    config = node(name)
    images = PurePosixPath(image_folder(config))
    assert any(images in (path, path.parent) for path in map(PurePosixPath, places(name)))
    if config.get("split_file"):
        assert f"{images.parts[0]}/{config['split_file']}" in places(name)
    for place in places(name):
        assert PurePosixPath(place).parts[0] == images.parts[0]
    sources = sources_of(name)
    for path in [path for source in (*sources.download, *sources.by_hand) for path in source.unless]:
        assert path in places(name) or path in places("imagenet") or PurePosixPath(path).parts[0] == images.parts[0]


@pytest.mark.parametrize("name", KNOWN)
def test_images_come_last_and_addresses_are_safe(name):
    images = image_folder(node(name))
    for remote in sources_of(name).download:
        assert images not in list(remote.place.values())[:-1]
        assert remote.url.startswith("https://") or remote.digest
        assert remote.name
        if remote.digest:
            kind, value = remote.digest
            assert re.fullmatch({"md5": "[0-9a-f]{32}", "sha256": "[0-9a-f]{64}"}[kind], value)
            assert remote.checksum_of
    if sources_of(name).download:
        assert images in [place for remote in sources_of(name).download for place in remote.place.values()]


def test_torchvisions_addresses_and_checksums_are_torchvisions():
    import torchvision.datasets

    text = "".join(path.read_text() for path in Path(torchvision.datasets.__file__).parent.glob("*.py"))
    remotes = [remote for name in KNOWN for remote in sources_of(name).download if remote.checksum_of == "torchvision"]
    assert len(remotes) == 9
    for remote in remotes:
        assert remote.digest[1] in text
        assert remote.url in text or remote.url.startswith("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/")
        assert remote.name in text


@pytest.mark.parametrize(
    "there",
    ["caltech-101/split.json", "caltech101/101_ObjectCategories/split.json", "caltech101/split.json", "split.json"],
)
def test_files_are_found_where_the_reader_finds_them(there, tmp_path):
    layouts = layouts_of(node("caltech101"))
    assert find(tmp_path, "caltech-101/split.json", layouts) is None
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).touch()
    assert find(tmp_path, "caltech-101/split.json", layouts) == tmp_path / there


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [("food101", "images"), ("stanford_cars", "cars_train"), ("imagenet", "images/train"), ("cub", "att_splits.mat")],
)
def test_what_lies_where_no_reader_looks_is_not_there(name, elsewhere, tmp_path):
    (place,) = [place for place in places(name) if place.endswith(elsewhere) and "CUB_200" not in place]
    (tmp_path / elsewhere / "x").mkdir(parents=True)
    assert find(tmp_path, place, layouts_of(node(name))) is None
    (tmp_path / place / "x").mkdir(parents=True)
    assert find(tmp_path, place, layouts_of(node(name))) == tmp_path / place


@pytest.mark.parametrize(("name", "there"), [("dtd", "dtd/dtd/images"), ("fgvc_aircraft", "fgvc_aircraft/data/images")])
def test_images_are_found_in_torchvisions_layout(name, there, tmp_path):
    (tmp_path / there / "x").mkdir(parents=True)
    assert find(tmp_path, image_folder(node(name)), layouts_of(node(name))) == tmp_path / there


def test_an_empty_folder_is_not_there(tmp_path):
    (tmp_path / "x" / "images").mkdir(parents=True)
    assert find(tmp_path, "x/images") is None
    (tmp_path / "x" / "images" / "a").touch()
    assert find(tmp_path, "x/images") == tmp_path / "x" / "images"


def test_lists_are_unneeded_beside_the_split_file(tmp_path):
    labels, images = sources_of("oxford_flowers").download
    devkit = next(step for step in sources_of("stanford_cars").by_hand if step.to.endswith("devkit"))
    assert is_needed(labels, tmp_path)
    assert is_needed(devkit, tmp_path)
    for path in ("oxford_flowers/split_zhou_OxfordFlowers.json", "stanford_cars/split_zhou_StanfordCars.json"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    assert not is_needed(labels, tmp_path)
    assert not is_needed(devkit, tmp_path)
    assert is_needed(images, tmp_path)

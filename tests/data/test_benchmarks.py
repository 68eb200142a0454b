import json
import os
import re
import shutil

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from promptlab.config.choices import choice_of
from promptlab.data import base_new_classes, sample_few_shot
from promptlab.data.benchmarks import read_benchmark
from promptlab.data.benchmarks.folders import class_folders
from promptlab.data.benchmarks.rules import BUILT
from promptlab.support.errors import DatasetError
from promptlab.support.paths import conf_dir
from tests.helpers import miniatures
from tests.helpers.benchmarks import BUILT_NAMES, COUNTS, NAMES, TEMPLATES, node, opened

TEST_ONLY = [name for name, counts in COUNTS.items() if not counts[0]]


def paths(items):
    return [items.source.describe(int(index)) for index in items.indices]


def rows(items):
    return list(zip(paths(items), items.labels.tolist(), strict=True))


@pytest.fixture(params=list(NAMES))
def mini(request, tmp_path):
    getattr(miniatures, request.param)(tmp_path)
    return request.param, tmp_path


def test_every_miniature_reads(mini):
    """Class names in their order, sizes of the splits, every image where it should be, and none in two splits."""
    name, root = mini
    data = opened(name, root)
    assert data.name == name
    assert data.class_names == NAMES[name]
    assert (len(data.train), len(data.val), len(data.test)) == COUNTS[name]
    assert data.template == TEMPLATES[name]
    for items in (data.train, data.val, data.test):
        items.source.check(items.indices)
    assert data.val_is_test == (name == "imagenet")
    listed = [paths(data.train), paths(data.test), *([] if data.val_is_test else [paths(data.val)])]
    assert len(set().union(*listed)) == sum(map(len, listed))


def test_classes_are_in_the_folders_that_their_names_say(tmp_path):
    for name in ("caltech101", "eurosat", "food101"):
        getattr(miniatures, name)(tmp_path)
    renamed = {"face": "Faces", "leopard": "Leopards", "motorbike": "Motorbikes", "airplane": "airplanes",
               "Annual Crop Land": "AnnualCrop", "Sea or Lake": "SeaLake"}  # fmt: skip
    for name in ("caltech101", "eurosat", "food101"):
        data = opened(name, tmp_path)
        for path, label in rows(data.train) + rows(data.val) + rows(data.test):
            assert path.split("/")[0] == renamed.get(data.class_names[label], data.class_names[label])


@pytest.mark.parametrize("name", list(BUILT_NAMES))
def test_a_built_split_says_so_and_is_the_same_each_time(name, tmp_path):
    getattr(miniatures, name)(tmp_path)
    data = opened(name, tmp_path)
    assert data.split_source == BUILT
    assert "not CoOp's own file" in BUILT
    again = opened(name, tmp_path)
    assert rows(again.train) == rows(data.train)
    assert again.split_hash == data.split_hash


def test_a_built_split_is_this_one(tmp_path):
    """Pinned, from the rule written out by hand: another order of shuffling would silently be another benchmark."""
    miniatures.food101(tmp_path)
    data = opened("food101", tmp_path)
    assert paths(data.val) == ["apple_pie/3.jpg", "apple_pie/1.jpg", "waffles/9.jpg", "waffles/1.jpg"]


@pytest.mark.parametrize("name", ["oxford_pets", "stanford_cars", "sun397", "ucf101"])
def test_official_test_lists_stay_whole_and_a_fifth_of_each_class_is_held_out(name, tmp_path):
    getattr(miniatures, name)(tmp_path)
    data = opened(name, tmp_path)
    n = len(data.class_names)
    assert np.bincount(data.train.labels).tolist() == [8] * n
    assert np.bincount(data.val.labels).tolist() == [2] * n
    if name == "oxford_pets":
        assert rows(data.test)[0] == ("Abyssinian_11.jpg", 0)
    if name == "stanford_cars":
        assert rows(data.test)[:2] == [("cars_test/00001.jpg", 0), ("cars_test/00002.jpg", 1)]
    if name == "sun397":
        assert rows(data.test)[-1] == ("a/apartment_building/outdoor/sun_014.jpg", 2)
    if name == "ucf101":
        assert rows(data.test)[0] == ("Apply_Eye_Makeup/v_ApplyEyeMakeup_g01_c01.jpg", 0)


def test_flowers_labels_start_at_one_and_follow_the_mat_file(tmp_path):
    miniatures.oxford_flowers(tmp_path)
    data = opened("oxford_flowers", tmp_path)
    labels = dict(rows(data.train) + rows(data.val) + rows(data.test))
    assert (labels["image_00001.jpg"], labels["image_00011.jpg"], labels["image_00040.jpg"]) == (2, 0, 1)


def test_aircraft_follow_the_official_lists(tmp_path):
    miniatures.fgvc_aircraft(tmp_path)
    data = opened("fgvc_aircraft", tmp_path)
    assert rows(data.train)[:3] == [("0000001.jpg", 0), ("0000002.jpg", 1), ("0000003.jpg", 2)]
    assert "official" in data.split_source


def test_imagenets_labels_follow_the_sorted_folders_and_its_files_are_sorted(tmp_path):
    miniatures.imagenet(tmp_path)
    data = opened("imagenet", tmp_path)
    assert rows(data.train)[0] == ("train/n01440764/n01440764_1.JPEG", 0)
    assert paths(data.train) == sorted(paths(data.train))
    assert data.train.labels.tolist() == sorted(data.train.labels.tolist())
    assert paths(data.val) == paths(data.test)
    assert "unsorted" in data.split_source
    assert paths(data.test)[0] == "val/n01440764/ILSVRC2012_val_00000001.JPEG"


def test_imagenetv2s_folders_are_sorted_as_numbers(tmp_path):
    miniatures.imagenetv2(tmp_path)
    data = opened("imagenetv2", tmp_path)
    assert data.test.labels.tolist() == list(range(12))
    assert data.class_keys[:2] == ("n00000000", "n00000001")
    assert [int(path.split("/")[0]) for path in paths(data.test)] == list(range(12))


def test_wordnet_ids_say_which_classes_of_the_test_sets_are_imagenets(tmp_path):
    from promptlab.protocols.domain_generalization import domain_generalization

    for name in ("imagenet", "imagenet_sketch", "imagenet_a", "imagenet_r"):
        getattr(miniatures, name)(tmp_path)
    same = [f"{wnid} crane" for wnid in miniatures.WNIDS]
    for folder in ("imagenet", "imagenet-sketch", "imagenet-adversarial"):
        miniatures.text(tmp_path / folder / "classnames.txt", *same)
    source = opened("imagenet", tmp_path)
    assert source.class_keys == tuple(miniatures.WNIDS)
    targets = [opened(name, tmp_path) for name in ("imagenet_sketch", "imagenet_a", "imagenet_r")]
    task = domain_generalization(source, targets=targets, shots=2, seed=1, val="none")
    assert [evaluation.known for evaluation in task.evaluations[1:]] == [(0, 1, 2), (0, 2), (1, 2)]


@pytest.mark.parametrize("name", TEST_ONLY)
def test_there_is_nothing_to_train_on_in_a_test_set(name, tmp_path):
    """Zero-shot scores it, over all its classes; a learner that trains is refused (tests/runs)."""
    from promptlab.protocols import few_shot, generalized_zero_shot

    getattr(miniatures, name)(tmp_path)
    data = opened(name, tmp_path)
    task = few_shot(data, shots=1, seed=1)
    assert (len(task.train), any(task.has_images), task.evaluations[0].items) == (0, False, data.test)
    assert f"{name} has test images alone: nothing trains" in task.notes
    with pytest.raises(DatasetError, match=f"{name} has no training images"):
        generalized_zero_shot(data, shots=1, seed=1)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("caltech101", {"folder": "caltech101"}),
        ("oxford_pets", {"folder": "oxford-iiit-pet"}),
        ("oxford_flowers", {"folder": "flowers-102"}),
        ("fgvc_aircraft", {"folder": "fgvc-aircraft-2013b/data"}),
        ("fgvc_aircraft", {"folder": "fgvc_aircraft/data"}),
        ("dtd", {"folder": "dtd/dtd"}),
        ("sun397", {"folder": "SUN397", "images": ""}),
        ("food101", {}),
        ("eurosat", {}),
        ("stanford_cars", {}),
    ],
)
def test_torchvisions_layouts_give_the_same_split(name, changes, tmp_path):
    getattr(miniatures, name)(tmp_path / "coop")
    getattr(miniatures, name)(tmp_path / "torchvision", **changes)
    (tmp_path / "torchvision" / "flowers-102" / "cat_to_name.json").unlink(missing_ok=True)  # torchvision has none
    ours, theirs = opened(name, tmp_path / "coop"), opened(name, tmp_path / "torchvision")
    assert theirs.class_names == ours.class_names
    assert rows(theirs.train) == rows(ours.train)
    assert theirs.split_hash == ours.split_hash
    theirs.train.source.check(theirs.train.indices)


TORCHVISION = {
    "caltech101": ("Caltech101", {}, {"folder": "caltech101"}),
    "oxford_pets": ("OxfordIIITPet", {"split": "trainval"}, {"folder": "oxford-iiit-pet"}),
    "oxford_flowers": ("Flowers102", {"split": "train"}, {"folder": "flowers-102"}),
    "food101": ("Food101", {"split": "train"}, {}),
    "fgvc_aircraft": ("FGVCAircraft", {"split": "val"}, {"folder": "fgvc-aircraft-2013b/data"}),
    "dtd": ("DTD", {"split": "train"}, {"folder": "dtd/dtd"}),
    "eurosat": ("EuroSAT", {}, {}),
    "stanford_cars": ("StanfordCars", {"split": "test"}, {}),
    "sun397": ("SUN397", {}, {"folder": "SUN397", "images": ""}),
}


@pytest.mark.parametrize("name", list(TORCHVISION))
def test_torchvision_itself_reads_the_miniatures_of_its_layouts(name, tmp_path, monkeypatch):
    """What torchvision opens where it unpacked its archives is what promptlab opens there."""
    import torchvision.datasets

    kind, arguments, changes = TORCHVISION[name]
    getattr(miniatures, name)(tmp_path, **changes)
    for stray in [*tmp_path.rglob(".hidden.jpg"), *tmp_path.rglob("Thumbs.db")]:  # torchvision would take them
        stray.unlink()
    read = []
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_check_integrity", lambda self: True)  # no checksums here
    monkeypatch.setattr("PIL.Image.open", lambda path, *rest: read.append(str(path)) or Image.new("RGB", (4, 4)))
    monkeypatch.setattr("torchvision.datasets.folder.pil_loader", lambda path: read.append(str(path)))
    monkeypatch.setattr("torchvision.datasets.folder.default_loader", lambda path: read.append(str(path)))
    theirs = getattr(torchvision.datasets, kind)(str(tmp_path), **arguments)
    for position in range(len(theirs)):
        theirs[position]
    data = opened(name, tmp_path)
    source = data.train.source
    ours = {source.path(int(index)) for items in (data.train, data.val, data.test) for index in items.indices}
    assert len(read) == len(theirs) > 0
    left_out = {path for path in set(read) - ours if "Faces_easy" not in path}  # of Caltech101, which CoOp leaves out
    assert not left_out


def test_flowers_have_coops_names_without_their_file(tmp_path):
    from promptlab.data.benchmarks.flower_names import FLOWER_NAMES

    assert len(set(FLOWER_NAMES)) == about("oxford_flowers")["classes"]
    assert (FLOWER_NAMES[0], FLOWER_NAMES[59], FLOWER_NAMES[77], FLOWER_NAMES[101]) == (
        "pink primrose", "pink-yellow dahlia", "lotus", "blackberry lily"
    )  # fmt: skip
    miniatures.oxford_flowers(tmp_path)
    names = tmp_path / "oxford_flowers" / "cat_to_name.json"
    names.write_text(json.dumps({"1": "a", "2": "b", "3": "c"}))
    assert opened("oxford_flowers", tmp_path).class_names == ("a", "b", "c")
    names.unlink()
    assert opened("oxford_flowers", tmp_path).class_names == NAMES["oxford_flowers"]


def test_suffixes_in_capitals_count(tmp_path):
    for suffix in (".JPG", ".JPEG", ".PNG"):
        miniatures.class_folders(tmp_path / suffix / "dtd" / "images", ["banded", "dotted"], "image_{:04}" + suffix)
        assert len(opened("dtd", tmp_path / suffix).train) == 10


def test_coops_layout_comes_before_torchvisions(tmp_path):
    miniatures.caltech101(tmp_path, "caltech101")
    assert opened("caltech101", tmp_path).train.source.root.parent.name == "caltech101"
    miniatures.caltech101(tmp_path)
    assert opened("caltech101", tmp_path).train.source.root.parent.name == "caltech-101"


SPLIT = {
    "train": [["Faces/image_0001.jpg", 0, "face"], ["ant/image_0001.jpg", 1, "ant"]],
    "val": [],
    "test": [["ant/image_0002.jpg", 1, "ant"]],
}


@pytest.mark.parametrize("place", ["caltech101/101_ObjectCategories", "caltech101", "caltech-101", "."])
def test_coops_split_file_is_preferred_wherever_it_lies(place, tmp_path):
    miniatures.caltech101(tmp_path, "caltech101")
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "split_zhou_Caltech101.json").write_text(json.dumps(SPLIT))
    data = opened("caltech101", tmp_path, n_classes=2)
    assert data.class_names == ("face", "ant")
    assert data.split_source == "coop (split_zhou_Caltech101.json)"
    assert paths(data.test) == ["ant/image_0002.jpg"]


@pytest.mark.parametrize("name", list(BUILT_NAMES))
def test_split_files_have_coops_names_and_images_their_folders(name, tmp_path):
    """A split file alone, in the folder of CoOp's layout: nothing else is needed, and its names stay as they are."""
    getattr(miniatures, name)(tmp_path)
    built = opened(name, tmp_path)
    first = [[path, label, f"{label}_as it is"] for path, label in rows(built.train)]
    split = {"train": first, "val": [], "test": first[:1]}
    settings = node(name, tmp_path)
    folder = tmp_path / settings["folders"][0].split("/")[0]
    assert settings["split_file"].startswith("split_zhou_")
    (folder / settings["split_file"]).write_text(json.dumps(split))
    for path in [*folder.rglob("*.txt"), *folder.rglob("*.mat"), folder / "cat_to_name.json"]:
        path.unlink(missing_ok=True)
    data = opened(name, tmp_path)
    assert data.class_names[1] == "1_as it is"
    data.train.source.check(data.train.indices)


def test_a_missing_dataset_is_said_with_its_place(tmp_path):
    for name in NAMES:
        folder = re.escape(str(tmp_path / node(name, tmp_path)["folders"][0]))
        with pytest.raises(DatasetError, match=f"{name}: its images are missing. They belong at {folder}"):
            opened(name, tmp_path)
        with pytest.raises(DatasetError, match=r"set data\.root=FOLDER"):
            opened(name, None)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("oxford_pets", "oxford_pets/annotations/trainval.txt"),
        ("oxford_pets", "oxford_pets/annotations/test.txt"),
        ("stanford_cars", "stanford_cars/devkit/cars_meta.mat"),
        ("stanford_cars", "stanford_cars/devkit/cars_train_annos.mat"),
        ("stanford_cars", "stanford_cars/cars_test_annos_withlabels.mat"),
        ("oxford_flowers", "oxford_flowers/imagelabels.mat"),
        ("fgvc_aircraft", "fgvc_aircraft/variants.txt"),
        ("fgvc_aircraft", "fgvc_aircraft/images_variant_val.txt"),
        ("sun397", "sun397/ClassName.txt"),
        ("sun397", "sun397/Training_01.txt"),
        ("ucf101", "ucf101/ucfTrainTestlist/classInd.txt"),
        ("ucf101", "ucf101/ucfTrainTestlist/testlist01.txt"),
        ("imagenet", "imagenet/classnames.txt"),
        ("imagenet_a", "imagenet-adversarial/classnames.txt"),
    ],
)
def test_a_missing_list_is_said_with_its_place(name, lost, tmp_path):
    getattr(miniatures, name)(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(DatasetError, match=f"It belongs at {re.escape(str(tmp_path / lost))}") as error:
        opened(name, tmp_path)
    split_file = node(name, tmp_path).get("split_file")
    assert split_file is None or split_file in str(error.value)


@pytest.mark.parametrize(
    ("name", "path", "content", "message"),
    [
        ("oxford_pets", "oxford_pets/annotations/trainval.txt", "Abyssinian_1 1 1", "line 1 .* should have 4 columns"),
        ("oxford_pets", "oxford_pets/annotations/trainval.txt", "Abyssinian_1 one 1 1", "oxford_pets: its lists at"),
        ("fgvc_aircraft", "fgvc_aircraft/images_variant_test.txt", "0000013 Boeing 999", "KeyError: 'Boeing 999'"),
        ("stanford_cars", "stanford_cars/devkit/cars_meta.mat", "moved", r"cars_meta\.mat can't be read"),
        ("oxford_flowers", "oxford_flowers/cat_to_name.json", "{", "oxford_flowers: its lists at"),
        ("imagenet", "imagenet/classnames.txt", "n01440764 tench", "classnames.txt has no name for folder n01443537"),
        ("imagenetv2", "imagenetv2/classnames.txt", "n01440764 tench", "folder 11 has no line in classnames.txt"),
    ],
)
def test_a_list_that_is_not_as_it_should_be_is_named(name, path, content, message, tmp_path):
    getattr(miniatures, name)(tmp_path)
    (tmp_path / path).write_text(content)
    with pytest.raises(DatasetError, match=message):
        opened(name, tmp_path)


def test_a_part_of_the_classes_is_refused_with_their_number(mini):
    name, root = mini
    found = len(NAMES[name])
    with pytest.raises(DatasetError, match=f"{found} classes found, {found + 1} expected"):
        opened(name, root, n_classes=found + 1)


def test_an_empty_class_and_a_class_too_small_to_split_are_refused(tmp_path):
    miniatures.dtd(tmp_path)
    (tmp_path / "dtd/images/aged").mkdir()
    (tmp_path / "dtd/images/aged/a.jpg").touch()
    with pytest.raises(DatasetError, match="class 'aged' has 1 images, too few"):
        opened("dtd", tmp_path)


def test_a_validation_class_that_training_lacks_is_refused(tmp_path):
    miniatures.imagenet(tmp_path)
    (tmp_path / "imagenet/images/val/n09999999").mkdir()
    with pytest.raises(DatasetError, match="1 folders are not in train, the first is n09999999"):
        opened("imagenet", tmp_path)
    shutil.rmtree(tmp_path / "imagenet/images/val")
    with pytest.raises(DatasetError, match=r"folder is missing: .*val"):
        opened("imagenet", tmp_path)


def test_a_mistake_in_the_configuration_is_named(tmp_path):
    from promptlab.config.settings import ConfigError

    wrong = node("caltech101", tmp_path)
    wrong["index"] = wrong["index"] | {"ignore": []}
    with pytest.raises(ConfigError, match=r"unknown key dataset\.index\.ignore, did you mean ignored"):
        choice_of(wrong, "dataset")
    with pytest.raises(ValueError, match=r"folders='mine'.*a list of text"):
        read_benchmark("mine", tmp_path, folders="mine")


def test_a_dataset_without_lists_of_its_own_needs_its_split_file(tmp_path):
    (tmp_path / "mine" / "images").mkdir(parents=True)
    with pytest.raises(DatasetError, match=f"belongs at {re.escape(str(tmp_path / 'mine' / 's.json'))}"):
        read_benchmark("mine", tmp_path, folders=["mine/images"], split_file="s.json")


def test_images_open_from_a_built_split(tmp_path):
    miniatures.food101(tmp_path)
    for path in (tmp_path / "food-101" / "images").rglob("[0-9]*.jpg"):
        Image.new("RGB", (8, 6), (200, 10, 10)).save(path)
    data = opened("food101", tmp_path)
    assert data.train.source.open(int(data.train.indices[0])).size == (8, 6)


def about(name):
    return OmegaConf.to_container(OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml"))["about"]


@pytest.mark.parametrize("name", list(NAMES))
def test_a_datasets_facts_fit_each_other(name):
    facts = about(name)
    distinct = facts["train"] + facts["test"] + (0 if name == "imagenet" else facts["val"])
    assert facts["images"] == distinct
    assert facts["files"]
    assert OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml")["n_classes"] == facts["classes"]


@pytest.mark.parametrize(("name", "halves"), [("eurosat", (4200, 3900)), ("caltech101", (1549, 916))])
def test_the_shared_datasets_have_coops_split(shared_data, name, halves):
    facts = about(name)
    data = opened(name, shared_data, n_classes=facts["classes"])
    assert data.split_source.startswith("coop (split_zhou_")
    assert [len(items) for items in (data.train, data.val, data.test)] == [
        facts[key] for key in ("train", "val", "test")
    ]
    base, new = base_new_classes(facts["classes"])
    assert (len(data.test.of_classes(base)), len(data.test.of_classes(new))) == halves
    draws = sorted((shared_data / "few_shot_indices" / name).glob("shot_*-seed_*.json"))
    assert draws
    for path in draws:
        shots, seed = map(int, re.fullmatch(r"shot_(\d+)-seed_(\d+)", path.stem).groups())
        recorded = json.loads(path.read_text())
        train, val = sample_few_shot(data.train.labels, data.val.labels, shots=shots, seed=seed)
        assert (train, val) == (recorded["train"]["indices"], recorded["val"]["indices"]), path.stem


@pytest.mark.parametrize("name", ["eurosat", "caltech101"])
def test_without_the_split_file_the_rule_gives_coops_sizes_and_names(shared_data, tmp_path, name):
    """The same class names, labels and sizes per class as in CoOp's file; only which image is where differs."""
    facts = about(name)
    folder = node(name, shared_data)["folders"][0]
    (tmp_path / folder).parent.mkdir()
    os.symlink(shared_data / folder, tmp_path / folder)
    coop = opened(name, shared_data, n_classes=facts["classes"])
    built = opened(name, tmp_path, n_classes=facts["classes"])
    assert built.split_source == BUILT
    assert built.class_names == coop.class_names
    for split in ("train", "val", "test"):
        ours, theirs = getattr(built, split), getattr(coop, split)
        assert np.bincount(ours.labels).tolist() == np.bincount(theirs.labels).tolist(), split
    everything = [sorted(rows(d.train) + rows(d.val) + rows(d.test)) for d in (built, coop)]
    assert everything[0] == everything[1]


def test_folders_are_listed_and_no_file_is_touched(tmp_path, monkeypatch):
    """ImageNet's 1.28 million names come from 2,000 listings: opening may not cost a look at each file."""
    miniatures.imagenet(tmp_path)
    counts = {"listdir": 0, "stat": 0}
    listdir, stat = os.listdir, os.stat

    def counted_listdir(path="."):
        counts["listdir"] += 1
        return listdir(path)

    def counted_stat(path, *args, **kwargs):
        counts["stat"] += str(path).endswith(".JPEG")
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "listdir", counted_listdir)
    monkeypatch.setattr(os, "stat", counted_stat)
    opened("imagenet", tmp_path)
    assert counts == {"listdir": 6, "stat": 0}


def test_readers_that_are_called_without_a_configuration(tmp_path):
    miniatures.caltech101(tmp_path)
    data = read_benchmark("mine", tmp_path, folders=["caltech-101/101_ObjectCategories"], index=class_folders)
    assert data.class_names[0] == "BACKGROUND_Google"
    assert data.template == "a photo of a {}."


@pytest.mark.parametrize("folder", ["sun397/Partitions", "sun397/SUN397"])
def test_sun_lists_may_lie_in_the_folder_that_their_archive_makes(tmp_path, folder):
    miniatures.sun397(tmp_path)
    expected = opened("sun397", tmp_path)
    for name in ("ClassName.txt", "Training_01.txt", "Testing_01.txt"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "sun397" / name).rename(tmp_path / folder / name)
    assert opened("sun397", tmp_path).split_hash == expected.split_hash


# images that lie elsewhere than they should


def displaced(mini, place):
    """A miniature whose images or root are one folder off, and the root to read it with."""
    name, root = mini
    folder = next(folder for folder in node(name, root)["folders"] if (root / folder).is_dir())
    images, home = root / folder, root / folder.split("/")[0]
    if place == "root too high":
        shutil.move(root, root.with_name("data"))
        root.mkdir()
        shutil.move(root.with_name("data"), root / "benchmarks")
    elif place == "root too low":
        return home
    elif place == "a folder between":
        if images == home:
            pytest.skip("its images are its folder")
        (home / "release-1.0").mkdir()
        shutil.move(images, home / "release-1.0" / images.relative_to(home))
    else:
        shutil.move(images, root / "moving")
        images.mkdir(parents=True)
        shutil.move(root / "moving", images / images.name)
    return root


@pytest.mark.parametrize("place", ["its own name", "root too high", "root too low", "a folder between"])
def test_images_one_folder_off_are_found_and_said(mini, place):
    """The same images under the same labels, wherever the archive was unpacked."""
    name, root = mini
    before = opened(name, root)
    if name == "imagenetv2" and place == "root too low":
        pytest.skip("its names lie in ImageNet's folder")
    found = opened(name, displaced(mini, place))
    assert found.class_names == before.class_names
    assert [rows(items) for items in (found.train, found.val, found.test)] == [
        rows(items) for items in (before.train, before.val, before.test)
    ]
    found.test.source.check(found.test.indices)
    assert place == "root too low" or any("its images were found at" in note for note in found.notes)


def test_images_in_two_places_are_not_guessed(tmp_path):
    for copy in ("one", "two"):
        miniatures.dtd(tmp_path / copy)
    with pytest.raises(DatasetError, match=rf"They belong at {tmp_path}/dtd/images.*; {tmp_path} holds one, two"):
        opened("dtd", tmp_path)


def test_a_class_without_images_is_named_with_what_lies_there(tmp_path):
    miniatures.dtd(tmp_path)
    images = tmp_path / "dtd" / "images"
    (images / "dotted-and-more").mkdir()
    shutil.move(images / "banded", images / "dotted-and-more" / "banded")
    with pytest.raises(
        DatasetError, match=r"a class's folder holds no images: .*/dotted-and-more holds banded\. Folders of"
    ):
        opened("dtd", tmp_path)

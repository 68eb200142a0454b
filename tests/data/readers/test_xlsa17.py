"""xlsa17's files in miniature: six classes of which the last two are unseen, in the shapes of the real ones."""

import numpy as np
import pytest
from hydra.utils import get_method
from omegaconf import OmegaConf

from promptlab.data.hold_out import hold_out
from promptlab.data.readers.xlsa17 import clean_name, read_xlsa17
from promptlab.support.errors import DatasetError
from promptlab.support.paths import conf_dir
from tests.helpers.xlsa17 import LABELS, PER_CLASS, cells, column, rows_of, write


def read(root, **changes):
    return read_xlsa17("cub", root, folder="CUB", **({"image_folder": "pictures"} | changes))


def rows(items):
    return [int(index) for index in items.indices]


def test_lists_labels_names_and_paths(tmp_path):
    data = read(write(tmp_path))
    assert data.class_names == (
        "black footed albatross", "laysan albatross", "grizzly bear", "abbey", "outdoor kiosk", "wren"
    )  # fmt: skip
    assert rows(data.train) == [row - 1 for row in rows_of([1, 2, 3, 4], range(8))]
    assert rows(data.test) == [row - 1 for row in [*rows_of([1, 2, 3, 4], [8, 9]), *rows_of([5, 6], range(10))]]
    assert (len(data.val), data.unseen) == (0, (4, 5))
    for items in (data.train, data.test):
        assert items.labels.tolist() == [row // PER_CLASS for row in rows(items)]
    assert data.test.source.path(59) == str(tmp_path / "CUB" / "pictures" / "006.Wren" / "59.jpg")
    assert data.test.source.describe(20) == "grizzly+bear/20.jpg"


def test_development_never_sees_a_tested_image(tmp_path):
    data = read(write(tmp_path))
    development = data.development
    assert (development.unseen, development.class_names) == ((3,), data.class_names)
    everything = {*rows(development.train), *rows(development.test)}
    assert everything == set(rows(data.train))  # train_loc and val_loc hold test_seen_loc's images: those are left out
    assert not set(rows(development.train)) & set(rows(development.test))
    assert set(development.train.labels) == {0, 1, 2}
    tested = development.test.labels.tolist()
    assert [tested.count(label) for label in range(6)] == [2, 2, 2, 8, 0, 0]  # 20 % of 8, rounded
    assert rows(read(tmp_path).development.test) == rows(development.test)


def test_the_held_out_part_is_the_same_everywhere():
    assert hold_out(np.array([0, 0, 0, 0, 0, 1, 2, 2])) == ([0, 2, 3, 4, 5, 7], [1, 6])


def test_without_train_and_val_lists_a_text_file_says_the_classes(tmp_path):
    write(tmp_path, without=("train_loc", "val_loc"))
    assert read(tmp_path).development is None
    (tmp_path / "CUB" / "valclasses1.txt").write_text("grizzly+bear\n")
    development = read(tmp_path).development
    assert (development.unseen, set(development.train.labels)) == ((2,), {0, 1, 3})
    (tmp_path / "CUB" / "valclasses1.txt").write_text("grizzly+bear\npolar+bear\n")
    with pytest.raises(DatasetError, match=r"valclasses1\.txt lists what is no class: polar\+bear"):
        read(tmp_path)
    (tmp_path / "CUB" / "valclasses1.txt").write_text("006.Wren\n")
    with pytest.raises(DatasetError, match=r"held-out classes have no training images: wren"):
        read(tmp_path)


def test_names_from_a_file(tmp_path):
    write(tmp_path, without=("allclasses_names",))
    with pytest.raises(DatasetError, match=r"att_splits\.mat has no allclasses_names"):
        read(tmp_path)
    with pytest.raises(DatasetError, match=r"in label order, belongs at .*CUB.names\.txt"):
        read(tmp_path, class_names="names.txt")
    (tmp_path / "CUB" / "names.txt").write_text("pink primrose\nb\nc\nd\ne\nf\n")
    assert read(tmp_path, class_names="names.txt").class_names[0] == "pink primrose"
    (tmp_path / "CUB" / "names.txt").write_text("pink primrose\nb\n")
    with pytest.raises(DatasetError, match="labels run to 6, but there are 2 class names"):
        read(tmp_path, class_names="names.txt")
    assert read(tmp_path, class_names=list("abcdef")).class_names == tuple("abcdef")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": ("test_unseen_loc",)}, r"att_splits\.mat has no test_unseen_loc"),
        ({"without": ("image_files",)}, r"res101\.mat has no image_files"),
        ({"split_changes": {"trainval_loc": column([0, 1])}}, "trainval_loc must hold whole numbers from 1"),
        ({"split_changes": {"trainval_loc": column([1.5])}}, "trainval_loc must hold whole numbers from 1"),
        ({"split_changes": {"trainval_loc": column([])}}, "trainval_loc is empty"),
        ({"split_changes": {"test_seen_loc": column([61])}}, "test_seen_loc runs to 61, but there are 60 images"),
        ({"split_changes": {"test_seen_loc": column([9, 9])}}, "test_seen_loc lists images twice"),
        ({"split_changes": {"test_seen_loc": column([1, 9])}}, "trainval_loc and test_seen_loc share 1 image"),
        (
            {"split_changes": {"test_unseen_loc": column([10, *rows_of([5, 6], [0])])}},
            "test_seen_loc and test_unseen_loc share 1 image",
        ),
        (
            {"split_changes": {"trainval_loc": column([*rows_of([1, 2, 3, 4], range(8)), 41]),
                               "test_unseen_loc": column(rows_of([5, 6], [1, 2]))}},
            "test_unseen_loc has classes of trainval_loc: outdoor/kiosk",
        ),
        (
            {"split_changes": {"test_seen_loc": column([9, 41]), "test_unseen_loc": column([51])}},
            "test_seen_loc has classes without training images: outdoor/kiosk",
        ),
        (
            {"split_changes": {"test_unseen_loc": column([41])}},
            r"classes have no images in any list: 006\.Wren",
        ),
        ({"split_changes": {"val_loc": column([1])}}, r"train_loc and val_loc share classes: 001\.Black"),
        ({"image_changes": {"labels": column([1, 2])}}, "60 image_files, but 2 labels"),
        ({"image_changes": {"labels": column(LABELS + 1)}}, "labels run to 7, but there are 6 class names"),
        ({"image_changes": {"image_files": cells(["/a/b/1.jpg"] * 60)}}, "has no folder 'images': set dataset.keep_af"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, changes, message):
    with pytest.raises(DatasetError, match=message):
        read(write(tmp_path, **changes))


def test_what_is_missing_is_said_with_its_place(tmp_path):
    with pytest.raises(DatasetError, match=r"set data\.root=FOLDER"):
        read(None)
    with pytest.raises(DatasetError, match=r"belongs at .*CUB, with xlsa17's"):
        read(tmp_path)
    (tmp_path / "CUB").mkdir()
    with pytest.raises(DatasetError, match=r"belongs at .*CUB.att_splits\.mat"):
        read(tmp_path)
    (tmp_path / "CUB" / "att_splits.mat").write_text("<html>not found</html>")
    with pytest.raises(DatasetError, match=r"att_splits\.mat can't be read as a \.mat file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [("001.Black_footed_Albatross", "black footed albatross"), ("grizzly+bear", "grizzly bear"),
     ("outdoor/tennis_court", "outdoor tennis court"), ("abbey", "abbey"), ("a\\abbey", "abbey"),
     ("/k/kiosk/indoor", "kiosk indoor"), ("airport\\terminal ", "airport terminal"), ("T-shirt", "t-shirt")],
)  # fmt: skip
def test_clean_names(raw, clean):
    assert clean_name(raw) == clean


@pytest.mark.parametrize(
    ("name", "seen", "unseen"), [("cub", 150, 50), ("awa2", 40, 10), ("flo", 82, 20), ("sun", 645, 72)]
)
def test_configurations(name, seen, unseen):
    node = OmegaConf.create(
        {"data": {"root": None}, "dataset": OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml")}
    )
    config = OmegaConf.to_container(node, resolve=True)["dataset"]
    about = config.pop("about")
    assert (about["seen"], about["unseen"], about["classes"]) == (seen, unseen, seen + unseen)
    with pytest.raises(DatasetError, match=r"set data\.root="):
        get_method(config.pop("_target_"))(**config)


def test_real_paths_keep_their_tails(tmp_path):
    """One path of each dataset, as the files have them."""
    for keep_after, path, tail in (
        ("JPEGImages", "/BS/xian/work/data/Animals_with_Attributes2//JPEGImages/antelope/antelope_10001.jpg",
         "antelope/antelope_10001.jpg"),
        ("images", "/BS/x/SUN/images/a/abbey/sun_x.jpg", "a/abbey/sun_x.jpg"),
        ("jpg", "/home/x/Flowers/jpg/image_00001.jpg", "image_00001.jpg"),
        ("images", "D:\\data\\CUB\\images\\001.Wren\\wren 1.jpg", "001.Wren/wren 1.jpg"),
    ):  # fmt: skip
        write(tmp_path, image_changes={"image_files": cells([path] * 60)})
        assert read(tmp_path, keep_after=keep_after).test.source.describe(0) == tail

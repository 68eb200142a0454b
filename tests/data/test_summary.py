"""What a dataset is, in a few lines."""

from dataclasses import replace

from promptlab.data import summary
from promptlab.demo import demo_dataset


def test_counts_origins_and_prompts():
    data = demo_dataset("demo_textures")
    origins = tuple(f"folder_{label}" for label in range(12))
    names = ("hot_dog", *data.class_names[1:])
    first, second, *rest = summary(replace(data, class_names=names, class_origins=origins, template="one {}."))
    assert first == "demo_textures: 12 classes, 1,296 images: 384 train, 192 val, 720 test; split: demo"
    assert second == '  hot_dog (from folder_0): 32 train, 16 val, 60 test; "one hot dog."'
    assert rest[-1] == "  and 8 more classes"


def test_images_that_validate_and_test_count_once():
    data = demo_dataset("demo_textures")
    assert "1,104 images" in summary(replace(data, val=data.test, val_is_test=True))[0]


def test_ten_lines_whatever_there_is_to_say():
    data = demo_dataset("demo_textures")
    much = replace(data, drawn=True, notes=tuple(f"note {number}" for number in range(9)))
    alone, transferred = summary(much), summary(much, [data] * 9)
    assert len(alone) == len(transferred) == 10
    assert "  a draw chose the test images, as no list or folder does: dataset.test=all scores all images" in alone
    assert alone[-3:] == ["  note 0", "  note 1", "  and 7 more like these"]
    assert "target demo_textures: 720 images of 12 classes; split: demo" in transferred
    assert not any("note" in line for line in summary(much, notes=False))


def test_bytes_that_are_no_utf8_can_be_printed():
    data = replace(demo_dataset("demo_textures"), class_origins=("M\udcfcll",) * 12)
    assert "(from M\\xfcll)" in summary(data)[1]
    assert max(map(len, summary(replace(data, notes=("x" * 9000,))))) < 300

"""Published draws: their lines become positions, and what doesn't fit the dataset is named with its line."""

import json

import numpy as np
import pytest

from promptlab.data.items import Dataset, Items
from promptlab.data.readers.drawn_lists import read_drawn_list
from promptlab.data.sources.files import FileImages
from promptlab.support.errors import DatasetError

NAMES = ["River/River_1.jpg", "River/River_2.jpg", "Sea Lake/1.jpg", "Sea Lake/River_1.jpg"]


@pytest.fixture
def dataset():
    images = FileImages("nowhere", NAMES)

    def items(*indices):
        return Items(images, np.array(indices), np.array(indices) // 2)

    return Dataset("eurosat", ("River", "Sea Lake"), "a photo of a {}.", items(3, 0, 2), items(1), items(), "coop", "")


def lists(folder, *rows, part="train"):
    """A list of shot_2-seed_1; rows are (path, label) or lines as they are."""
    lines = [
        row if isinstance(row, str) else json.dumps({"_impath": row[0], "_label": row[1], "_domain": 0}) for row in rows
    ]
    (folder / f"shot_2-seed_1_{part}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def read(dataset, folder, part="train"):
    return read_drawn_list(dataset, folder, part, shots=2, seed=1)


def test_lines_are_positions_in_their_order(dataset, tmp_path):
    """By the longest end of a path: under the data root, as it is, of another machine, or of Windows."""
    rows = [
        ("eurosat/2750/River/River_1.jpg", 0),
        ("/data/eurosat/2750/Sea Lake/1.jpg", 1),
        ("Sea Lake/River_1.jpg", 1),
    ]
    again = (r"C:\eurosat\2750\River\River_1.jpg", 0)
    found = read(dataset, lists(tmp_path, *rows, "", again))
    assert found.positions == [1, 2, 0, 1]
    assert read(dataset, lists(tmp_path, ("x/River/River_2.jpg", 0), part="val"), "val").positions == [0]


def test_the_digest_is_of_the_files_text(dataset, tmp_path):
    one, other = (read(dataset, lists(tmp_path, (name, 0))) for name in ("River/River_1.jpg", "x/River/River_1.jpg"))
    assert one.positions == other.positions
    assert one.digest != other.digest
    assert len(one.digest) == 12


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"_impath": "River/River_1.jpg", "_la', "line 2 is no JSON .* was the file cut off"),
        ('["River/River_1.jpg", 0]', "line 2: an object with _impath"),
        ('{"_impath": "River/River_1.jpg"}', "line 2: an object with _impath"),
        ('{"_impath": "River/River_1.jpg", "_label": "0"}', "line 2: an object with _impath"),
        ('{"_impath": "River/River_1.jpg", "_label": true}', "line 2: an object with _impath"),
        (("dtd/banded_1.jpg", 0), "line 2: 'dtd/banded_1.jpg' is none of the 3 training images of eurosat"),
        (("River/River_2.jpg", 0), "line 2: .* is none of the 3 training images"),  # of the validation list
        (("Sea Lake/1.jpg", 0), r"line 2: .* has label 0, but 1 \('Sea Lake'\) in eurosat"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(dataset, tmp_path, line, said):
    with pytest.raises(DatasetError, match=said):
        read(dataset, lists(tmp_path, (NAMES[0], 0), line))


def test_a_file_that_is_not_there_empty_or_of_another_encoding(dataset, tmp_path):
    lists(tmp_path, (NAMES[0], 0))
    with pytest.raises(DatasetError, match=r"shot_4-seed_1_train.jsonl can't be read .* has shot_2-seed_1_train.jsonl"):
        read_drawn_list(dataset, tmp_path, "train", shots=4, seed=1)
    with pytest.raises(DatasetError, match="has no such lists"):
        read(dataset, tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="lists no images"):
        read(dataset, lists(tmp_path, ""))
    (tmp_path / "shot_2-seed_1_train.jsonl").write_text("{}", encoding="utf-16")
    with pytest.raises(DatasetError, match="UTF-16"):
        read(dataset, tmp_path)

"""xlsa17's files in miniature: six classes of which the last two are unseen, in the shapes of the real ones."""

import numpy as np
from scipy.io import savemat

NAMES = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "grizzly+bear", "abbey", "outdoor/kiosk", "006.Wren"]


PER_CLASS = 10


LABELS = np.repeat(np.arange(1, 7), PER_CLASS)


PREFIX = "/BS/Deep_Fragments/work/images/CUB_200_2011//images"


def cells(texts):
    array = np.empty((len(texts), 1), dtype=object)
    array[:, 0] = texts
    return array


def column(values):
    return np.asarray(values, dtype=np.float64).reshape(-1, 1)


def rows_of(classes, members):
    return [PER_CLASS * (label - 1) + member + 1 for label in classes for member in members]


def splits():
    """Classes 1 to 4 are seen (4 for validation); 2 of 10 images of each are tested, and lie in train_loc/val_loc."""
    return {
        "att": np.zeros((3, 6)),
        "allclasses_names": cells(NAMES),
        "trainval_loc": column(rows_of([1, 2, 3, 4], range(8))),
        "test_seen_loc": column(rows_of([1, 2, 3, 4], [8, 9])),
        "test_unseen_loc": column(rows_of([5, 6], range(10))),
        "train_loc": column(rows_of([1, 2, 3], range(10))),
        "val_loc": column(rows_of([4], range(10))),
    }


def images():
    files = [f"{PREFIX}/{NAMES[label - 1]}/{row}.jpg" for row, label in enumerate(LABELS)]
    return {"features": np.zeros((2048, len(LABELS))), "image_files": cells(files), "labels": column(LABELS)}


def write(root, *, split_changes=(), image_changes=(), without=()):
    (root / "CUB").mkdir(exist_ok=True)
    for file, content in (("att_splits", splits() | dict(split_changes)), ("res101", images() | dict(image_changes))):
        savemat(root / "CUB" / f"{file}.mat", {key: value for key, value in content.items() if key not in without})
    return root

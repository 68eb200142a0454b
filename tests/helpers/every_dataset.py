"""Every dataset of conf/dataset, opened as a run opens it: the drawn ones whole, the others in miniature."""

import csv
import json
from pathlib import Path

import datasets
import numpy as np
from omegaconf import OmegaConf
from PIL import Image

from promptlab.config.choices import choice_of
from promptlab.demo.datasets import CORNERS
from promptlab.support.paths import conf_dir
from tests.helpers import miniatures, xlsa17
from tests.helpers.benchmarks import NAMES

SPLITS = {"train": 3, "val": 2, "test": 2}


def names():
    return sorted(path.stem for path in (conf_dir() / "dataset").glob("*.yaml"))


def opener(name, root):
    """What opens a dataset, once the files that it needs are written under a folder.

    Raises:
        LookupError: for a dataset that has no entry here yet.
    """
    if name in CORNERS:
        return configured(name, root)
    if name in NAMES:
        getattr(miniatures, name)(root)
        paint([path for path in root.rglob("*") if path.is_file() and not path.stat().st_size])
        return configured(name, root, n_classes=len(NAMES[name]))
    if name in ("cub", "awa2", "flo", "sun"):
        return of_xlsa17(name, root)
    if name in WRITTEN:
        return configured(name, root, **WRITTEN[name](root))
    raise LookupError(f"{name} meets no contract yet: write a few of its files in tests/helpers/{Path(__file__).name}")


def configured(name, root, **changes):
    whole = {"data": {"root": str(root)}, "dataset": OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml")}
    node = OmegaConf.to_container(OmegaConf.create(whole), resolve=True)["dataset"]
    return choice_of(node | changes, "dataset").factory()


def picture(number):
    return Image.new("RGB", (6, 5), (number % 256, number // 256, 7))


def paint(paths):
    """A picture of its own in each file, whatever its ending."""
    for number, path in enumerate(sorted(paths)):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path, format="png")


def of_xlsa17(name, root):
    xlsa17.write(root)
    changes = {"folder": "CUB", "image_folder": "pictures", "keep_after": "images", "class_names": xlsa17.NAMES}
    files = [f"{xlsa17.NAMES[label - 1]}/{row}.jpg" for row, label in enumerate(xlsa17.LABELS)]
    paint([root / "CUB" / "pictures" / file for file in files])
    return configured(name, root, **changes)


def rows():
    """(split, path, label name) of a small dataset."""
    return [(split, f"{split}/{kind}/{number}.png", kind) for split, count in SPLITS.items()
            for kind in ("cat", "dog") for number in range(count)]  # fmt: skip


def folder(root):
    paint([root / "mine" / path for _, path, _ in rows()])
    return {"path": str(root / "mine")}


def table(root):
    folder(root)
    with (root / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("split", "path", "label"), *rows()])
    return {"path": str(root / "mine.csv"), "images": str(root / "mine")}


def lists(root):
    folder(root)
    split = {
        name: [[path, ("cat", "dog").index(kind), kind] for of, path, kind in rows() if of == name] for name in SPLITS
    }
    (root / "mine.json").write_text(json.dumps(split))
    return {"path": str(root / "mine.json"), "images": str(root / "mine")}


def tables(root):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    parts = {}
    for place, (split, count) in enumerate(SPLITS.items()):
        columns = {"image": [picture(100 * place + i) for i in range(2 * count)], "label": [0, 1] * count}
        parts["validation" if split == "val" else split] = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict(parts).save_to_disk(root / "saved")
    return {"path": str(root / "saved")}


def features(root):
    for place, (split, count) in enumerate(SPLITS.items()):
        values = np.random.default_rng(place).standard_normal((2 * count, 8)).astype(np.float32)
        np.savez(root / f"{split}.npz", features=values, labels=np.arange(2 * count) % 2)
    return {split: str(root / f"{split}.npz") for split in SPLITS} | {"class_names": ["cat", "dog"]}


WRITTEN = {"folder": folder, "csv": table, "json": lists, "hf": tables, "features": features}
"""Datasets whose files a function writes; it answers with the keys that their YAML leaves open."""

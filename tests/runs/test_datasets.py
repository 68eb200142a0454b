"""Datasets of all kinds in whole runs, as a user starts them: what a Result says of the split, and its label spaces."""

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from promptlab.config.choices import choice_of
from promptlab.config.settings import ConfigError
from promptlab.results.store import read_result
from promptlab.runs.run import run
from tests.helpers import miniatures, xlsa17
from tests.helpers.fakes import write_pictures
from tests.helpers.settings import settings_of

LIGHT = ("views=0", "trainer.enable_progress_bar=false")
COOP = ("learner=coop", "learner.n_ctx=2", "learner.ctx_init=null", "learner.optim.epochs=1")


@pytest.fixture(autouse=True)
def work_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def draw(path):
    """A picture of its own for each path, and of a colour for each folder; the same wherever the test runs."""
    colour = np.random.default_rng(zlib.crc32(path.parent.name.encode())).integers(0, 256, 3)
    noise = np.random.default_rng(zlib.crc32(f"{path.parent.name}/{path.name}".encode())).integers(0, 64, (12, 16, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8)).save(path, format="JPEG")


def paint(root):
    for path in root.rglob("*"):
        if path.suffix.lower() in (".jpg", ".jpeg") and not path.name.startswith("."):
            draw(path)


def run_of(*overrides, targets=None):
    settings = settings_of([*LIGHT, *overrides])
    return run(settings if targets is None else replace(settings, targets=targets)).result


def test_a_result_says_whose_split_it_is(tmp_path, monkeypatch):
    miniatures.food101(tmp_path)
    paint(tmp_path)
    arguments = ("learner=zero_shot", "protocol=few_shot", "shots=1", "dataset=food101", "dataset.n_classes=2",
                 f"data.root={tmp_path}")  # fmt: skip
    built = run_of(*arguments)
    assert any(note.startswith("split: built by CoOp's rule (fixed seed 1), not CoOp's own") for note in built.notes)
    rows = [[f"{name}/{i}.jpg", label, name] for label, name in enumerate(["apple_pie", "waffles"]) for i in (1, 2)]
    split = {"train": rows[::2], "val": [], "test": rows[1::2]}
    (tmp_path / "food-101" / "split_zhou_Food101.json").write_text(json.dumps(split))
    from promptlab.runs import session

    monkeypatch.setattr(session, "_datasets", session._Kept(1))
    assert any("split: coop (split_zhou_Food101.json) (" in note for note in run_of(*arguments).notes)


IMAGENETS = ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")


def test_imagenet_and_its_four_test_sets(tmp_path):
    for name in ("imagenet", *IMAGENETS):
        getattr(miniatures, name)(tmp_path)
    names = [
        f"{wnid} {name}" for wnid, name in zip(sorted(miniatures.WNIDS), ("missile", "missile", "fox"), strict=True)
    ]
    for folder in tmp_path.iterdir():
        miniatures.text(folder / "classnames.txt", *names)
    folder = tmp_path / "imagenetv2" / "imagenetv2-matched-frequency-format-val"
    for label in range(3, 12):
        (folder / str(label) / f"{label}ab.jpeg").unlink()
        (folder / str(label)).rmdir()
    paint(tmp_path)
    sizes = {"imagenetv2": 3, "imagenet_sketch": 3, "imagenet_a": 2, "imagenet_r": 2}
    targets = []
    from omegaconf import OmegaConf

    from promptlab.support.paths import conf_dir

    for name in IMAGENETS:
        node = OmegaConf.to_container(OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml"), resolve=False)
        targets.append(choice_of({**node, "root": str(tmp_path), "n_classes": sizes[name]}, name))
    result = run_of(*COOP, "protocol=domain_generalization", "dataset=imagenet", "dataset.n_classes=3", "shots=2",
                    f"data.root={tmp_path}", "val=none", targets=tuple(targets))  # fmt: skip
    assert list(result.evaluations) == ["imagenet", *IMAGENETS]
    spaces = {name: evaluation.facts.class_names for name, evaluation in result.evaluations.items()}
    assert spaces["imagenet"] == spaces["imagenetv2"] == spaces["imagenet_sketch"] == ("missile", "missile", "fox")
    assert spaces["imagenet_a"] == spaces["imagenet_r"] == ("missile", "fox")
    assert all(evaluation.metrics is not None for evaluation in result.evaluations.values())
    assert [evaluation.metrics.images for evaluation in result.evaluations.values()] == [6, 3, 6, 4, 4]
    with pytest.raises(ConfigError, match="those of imagenet are among its test images"):
        run_of(*COOP, "protocol=few_shot", "dataset=imagenet", "dataset.n_classes=3", "shots=2", "select=val",
               f"data.root={tmp_path}")  # fmt: skip


@pytest.mark.parametrize("calibrate", [False, True])
def test_generalized_zero_shot_on_files_of_xlsa17(tmp_path, calibrate):
    xlsa17.write(tmp_path)
    for row, label in enumerate(xlsa17.LABELS):
        draw(tmp_path / "CUB" / "CUB_200_2011" / "images" / xlsa17.NAMES[label - 1] / f"{row}.jpg")
    result = run_of(*COOP, "protocol=generalized_zero_shot", "dataset=cub", f"data.root={tmp_path}", "shots=all",
                    f"protocol.calibrate={str(calibrate).lower()}", "val=none")  # fmt: skip
    names = ("black footed albatross", "laysan albatross", "grizzly bear", "abbey", "outdoor kiosk", "wren")
    assert {name: evaluation.facts.class_names for name, evaluation in result.evaluations.items()} == {
        "seen": names, "unseen": names
    }  # fmt: skip
    assert (result.train_images, result.evaluations["seen"].metrics.images) == (32, 8)
    assert result.evaluations["unseen"].metrics.images == 20
    assert result.fit.has_images == (True,) * 4
    assert "split: xlsa17 (att_splits.mat)" in " ".join(result.notes)
    assert (result.seen_unseen.calibration is not None) == calibrate
    if calibrate:  # chosen by a fit that had neither the held-out class's images nor a tested image
        (folder,) = (tmp_path / "results").rglob(result.seen_unseen.calibration.fit_id)
        development = read_result(folder / "result.json")
        assert development.fit.has_images == (True,) * 3
        assert development.evaluations["unseen"].facts.class_names == names[:4]


def own_images(tmp_path):
    for number, (split, name) in enumerate([(s, n) for s in ("train", "test") for n in ("polar_bear", "ant")]):
        write_pictures(tmp_path / "own" / split / name, 2, seed=number)
    names = [f"{split}/{name}/image_000{i}.png" for split in ("train", "test") for name in ("polar_bear", "ant")
             for i in (0, 1)]  # fmt: skip
    table = ["path,label,split", *(f"{path},{path.split('/')[1]},{path.split('/')[0]}" for path in names)]
    (tmp_path / "own.csv").write_text("\n".join(table))
    rows = [[path, int("polar" in path), path.split("/")[1]] for path in names]
    (tmp_path / "own.json").write_text(json.dumps({"train": rows[:4], "val": [], "test": rows[4:]}))
    return {"folder": "own", "csv": "own.csv", "json": "own.json"}


def test_ones_own_images_in_any_form_are_the_same_task(tmp_path):
    paths = own_images(tmp_path)
    results = {}
    (tmp_path / "names.txt").write_text("polar_bear\tice bear\n")
    (tmp_path / "prompt.txt").write_text("a drawing of a {}.\n")
    for kind, path in paths.items():
        extra = ("dataset.images=own",) if kind != "folder" else ()
        results[kind] = run_of(
            "learner=zero_shot", "protocol=few_shot", "shots=1", f"dataset={kind}", f"dataset.path={path}",
            "dataset.name=mine", "dataset.class_names=names.txt", "dataset.template=prompt.txt", *extra,
        )  # fmt: skip
    facts = [result.evaluations["test"].facts for result in results.values()]
    assert facts[0].class_names == ("ant", "ice bear")
    assert facts[0].template == "a drawing of a {}."
    assert {result.dataset for result in results.values()} == {"mine"}
    assert facts[0].class_names == facts[1].class_names == facts[2].class_names
    assert {result.evaluations["test"].metrics.images for result in results.values()} == {4}


def test_a_hugging_face_table(tmp_path):
    import datasets

    own_images(tmp_path)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "polar_bear"])})
    tables = {}
    for split in ("train", "test"):
        files = sorted((tmp_path / "own" / split).rglob("*.png"))
        columns = {"image": [str(file) for file in files], "label": [int("polar" in str(file)) for file in files]}
        tables[split] = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict(tables).save_to_disk(tmp_path / "saved")
    result = run_of("learner=tip_adapter", "learner.search=false", "protocol=few_shot", "shots=2", "dataset=hf",
                    "dataset.path=saved", "dataset.name=mine", "val=none")  # fmt: skip
    assert result.evaluations["test"].facts.class_names == ("ant", "polar_bear")
    assert (result.train_images, result.evaluations["test"].metrics.images) == (4, 4)

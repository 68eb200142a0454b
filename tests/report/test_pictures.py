"""Pictures of confused pairs: found by the configuration, shown only if their bytes are what was scored."""

import base64
import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from promptlab.report.confusion import Mistake, confusions
from promptlab.report.grouping import summarise
from promptlab.report.page.tables import pairs
from promptlab.report.pictures import SIDE, thumbnail
from promptlab.report.study import sections
from promptlab.results.predictions import Predictions, write_predictions
from tests.helpers.results import make_result


@pytest.fixture
def images(tmp_path):
    """A dataset of pictures in two folders of classes: a function of a name that writes one and returns its id."""

    def write(name, size=(200, 100), colour="red"):
        path = tmp_path / "data" / "shapes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path, "PNG")
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]

    return write


def mistake(file, content_id, **config):
    return Mistake(file=file, content_id=content_id, confidence=0.9, config=config)


def opened(uri):
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(
    "dataset",
    [{"path": "data/shapes"}, {"root": "data", "folders": ["shape", "shapes"]}, {"path": "data/shapes/list.csv"}],
)
def test_a_picture_is_found_by_the_configuration_and_made_small(images, tmp_path, monkeypatch, dataset):
    found = images("ring/1.png")
    (tmp_path / "data" / "shapes" / "list.csv").touch()
    elsewhere = mistake("ring/1.png", found, dataset=dataset, results=str(tmp_path / "results"))
    small = opened(thumbnail(elsewhere))  # beside the results
    assert small.size == (SIDE, SIDE // 2)
    assert small.getpixel((5, 5)) == pytest.approx((254, 0, 0), abs=3)
    monkeypatch.chdir(tmp_path)  # in the working folder
    assert thumbnail(mistake("ring/1.png", found, dataset=dataset)) == thumbnail(elsewhere)


def test_only_what_was_scored_is_shown(images, tmp_path):
    found = images("ring/1.png")
    config = {"dataset": {"path": str(tmp_path / "data" / "shapes")}}
    assert thumbnail(mistake("ring/1.png", found, **config))
    assert thumbnail(mistake("ring/2.png", found, **config)) is None
    assert thumbnail(mistake("ring/1.png", "0" * 32, **config)) is None
    outside = {"dataset": {"path": str(tmp_path / "data" / "shapes" / "ring")}}
    assert thumbnail(mistake("../ring/1.png", found, **outside)) is None
    assert thumbnail(mistake(str(tmp_path / "data/shapes/ring/1.png"), found, **config)) is None
    assert thumbnail(mistake("ring\0.png", found, **config)) is None
    images("ring/1.png", colour="blue")
    assert thumbnail(mistake("ring/1.png", found, **config)) is None


def test_what_cannot_be_opened_is_left_out_and_named(images, tmp_path, caplog):
    huge = images("ring/huge.png", size=(6000, 5001))
    config = {"dataset": {"path": str(tmp_path / "data" / "shapes")}}
    assert thumbnail(mistake("ring/huge.png", huge, **config)) is None
    path = tmp_path / "data" / "shapes" / "ring" / "broken.png"
    path.write_bytes(b"\x89PNG no more")
    broken = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    assert thumbnail(mistake("ring/broken.png", broken, **config)) is None
    assert "ring/broken.png can't be opened" in caplog.text


def confused(tmp_path, ids, seeds=(1, 2)):
    """Runs that take three rings for stars, and their folders."""
    runs, folders = [], {}
    for seed in seeds:
        config = {"dataset": {"path": str(tmp_path / "data" / "shapes")}, "seed": seed}
        run = make_result({"test": 0.4}, seed=seed, protocol="few_shot", config=config)
        part = run.evaluations["test"]
        run = replace(run, evaluations={"test": replace(part, dataset=run.dataset)})
        folders[run.fit_id] = tmp_path / str(seed)
        confidence = np.array([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.8, 0.2]], dtype=np.float32)
        predictions = Predictions(
            evaluation="test",
            eval_id=part.eval_id,
            class_names=("star", "<ring>"),
            labels=np.array([1, 1, 1, 0], dtype=np.int32),
            top_ids=np.array([[0, 1]] * 4, dtype=np.int32),
            top_probabilities=confidence,
            image_ids=np.array([list(bytes.fromhex(one)) for one in ids], dtype=np.uint8),
            files=tuple(f"ring/{at}.png" for at in range(4)),
        )
        write_predictions(folders[run.fit_id], predictions)
        runs.append(run)
    return runs, folders


def test_a_pair_names_each_image_once_the_surest_first(tmp_path):
    runs, folders = confused(tmp_path, [f"{at:032x}" for at in range(4)])
    (confusion,) = confusions(summarise(runs)[0], folders)
    (pair,) = confusion.pairs()
    assert (pair.label, pair.said, pair.images, pair.share) == ("<ring>", "star", 6, 1.0)
    assert [one.file for one in pair.mistakes] == ["ring/1.png", "ring/2.png", "ring/0.png"]


def test_the_table_of_pairs_has_them(images, tmp_path):
    ids = [images(f"ring/{at}.png", colour=colour) for at, colour in enumerate(("red", "green", "blue", "white"))]
    runs, folders = confused(tmp_path, ids)
    (section,) = sections(runs)
    table = pairs(section, confusions(section.rows[0], folders))
    assert [name for name, _ in table.columns][-1] == "pictures"
    ((*_, cell),) = table.rows
    assert [alt for _, alt in cell.pictures] == [f"<ring>, taken for star: ring/{at}.png" for at in (1, 2, 0)]
    assert opened(cell.pictures[0][0]).getpixel((5, 5)) == pytest.approx((0, 128, 0), abs=3)


def test_without_files_the_table_says_so(tmp_path):
    runs, folders = confused(tmp_path, ["0" * 32] * 4)
    (section,) = sections(runs)
    table = pairs(section, confusions(section.rows[0], folders))
    assert [name for name, _ in table.columns][-1] == "% of the label's images"
    assert "no pictures" in table.notes[0]

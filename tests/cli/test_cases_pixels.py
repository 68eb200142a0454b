"""What people's pictures brought out: each case with the right value or message, from the command line."""

import json
import os
import re

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

import promptlab
from promptlab.cli.main import main
from tests.helpers.drawn import pictures

RUN = ["learner=zero_shot", "protocol=few_shot", "views=0", "backbone=demo", "shots=2", "dataset=folder"]


def run(folder, results, *overrides, name="n"):
    """The Result's document, or None, of a run on a folder."""
    options = [f"dataset.name={name}", f"dataset.path={folder}", f"results={results}", *overrides]
    status = main([*RUN, *options])
    found = sorted(results.rglob("result.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(found[-1].read_text()) if status == 0 else None


def words(shown):
    """What the console shows, without its line breaks."""
    return " ".join(shown.split())


def accuracy(result):
    (evaluation,) = result["evaluations"].values()
    return evaluation["metrics"]["top1"]


def rewritten(source, target, write):
    """The pictures of a folder, saved by another function of their RGB pixels."""
    for path in sorted(source.rglob("*.png")):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            write(image, place)
    return target


def grey(of):
    return lambda image, path: Image.fromarray(of(np.asarray(image.convert("L")))).save(path.with_suffix(".tif"))


GREYS = {
    "grey8": lambda g: g,
    "grey12in16": lambda g: g.astype(np.uint16) * 16,
    "grey16": lambda g: g.astype(np.uint16) * 257,
    "floats": lambda g: (g / 255).astype(np.float32),
}


def test_grey_of_other_ranges(tmp_path, capsys):
    pictures(tmp_path / "all", 2, 6)
    found = {
        name: run(rewritten(tmp_path / "all", tmp_path / name, grey(of)), tmp_path / "results", name=name)
        for name, of in GREYS.items()
    }
    probabilities = [
        promptlab.read_predictions(file).top_probabilities
        for name in GREYS
        for file in (tmp_path / "results" / name).rglob("predictions-test.safetensors")
    ]
    assert len(probabilities) == len(GREYS)
    for other in probabilities[1:]:
        np.testing.assert_allclose(other, probabilities[0], atol=1e-5)
    said = "12 images were read as 12-bit grey by their largest value (set grey_bits=16 if they are dark): "
    for name, result in found.items():
        assert any(note.startswith(said) for note in result["notes"]) == (name == "grey12in16"), name
    assert said in words(capsys.readouterr().err)
    dark = run(tmp_path / "grey12in16", tmp_path / "results", "dataset.grey_bits=16")
    assert any(note.startswith("12 images are almost black") for note in dark["notes"])
    assert dark["fit_id"] != found["grey12in16"]["fit_id"]


def test_floats_of_another_range_are_refused_with_the_cure(tmp_path, capsys):
    pictures(tmp_path / "all", 2, 4)
    folder = rewritten(tmp_path / "all", tmp_path / "d", grey(lambda g: g.astype(np.float32)))
    assert run(folder, tmp_path / "results") is None
    error = words(capsys.readouterr().err)
    assert "floats from" in error
    assert "Divide them by 255" in error
    assert "Fetch" not in error


def test_huge_picture(tmp_path, capsys):
    names = pictures(tmp_path / "d", 2, 4)
    huge = tmp_path / "d" / names[0] / "huge.png"
    Image.new("1", (15000, 12500)).save(huge)
    assert run(tmp_path / "d", tmp_path / "results") is None
    error = words(capsys.readouterr().err)
    assert "huge.png" in error
    assert "dataset.max_pixels" in error
    assert "max_pixels=187500000" in error
    for word in ("Fetch", "bomb", "DOS"):
        assert word not in error
    Image.new("L", (90, 80), 7).save(huge)
    assert run(tmp_path / "d", tmp_path / "results", "dataset.max_pixels=7199") is None
    assert "set max_pixels=7200" in words(capsys.readouterr().err)
    assert run(tmp_path / "d", tmp_path / "results", "dataset.max_pixels=7200") is not None


def test_same_size_and_time(tmp_path, own_cache):
    """Pictures replaced by others of their size, with their time kept, are other pictures."""
    names = pictures(tmp_path / "all", 4, 8)

    def write(turn):
        for place, name in enumerate(names):
            (tmp_path / "d" / name).mkdir(parents=True, exist_ok=True)
            for path in sorted((tmp_path / "all" / names[(place + turn) % 4]).iterdir()):
                copy = tmp_path / "d" / name / f"{path.stem}.bmp"
                with Image.open(path) as image:
                    image.save(copy)
                os.utime(copy, (1577836800, 1577836800))

    write(0)
    first = run(tmp_path / "d", tmp_path / "results")
    write(1)
    second = run(tmp_path / "d", tmp_path / "results")
    assert accuracy(first) > 0.3
    assert accuracy(second) < accuracy(first) / 2
    assert first["fit_id"] != second["fit_id"]


def test_a_picture_of_one_colour_is_warned_of(tmp_path, capsys):
    names = pictures(tmp_path / "d", 2, 4)
    Image.new("RGB", (32, 32), (9, 9, 9)).save(tmp_path / "d" / names[0] / "blank.png")
    for _ in range(2):  # what was seen once is remembered
        result = run(tmp_path / "d", tmp_path / "results", "force=true")
        assert f"1 images are of one colour: {names[0]}/blank.png" in result["notes"]
    assert "blank.png" in words(capsys.readouterr().err)
    assert main(["data", "check", "folder", f"dataset.path={tmp_path / 'd'}"]) == 0
    assert "1 images are of one colour" in capsys.readouterr().out


def spoil(folder, name):
    cut = folder / name / "001.png"
    cut.write_bytes(cut.read_bytes()[:200])
    (folder / name / "002.png").write_bytes(b"")


def test_bad_pictures_are_left_out_on_request(tmp_path, capsys):
    """The run is the one of a folder without them, and says which they were."""
    names = pictures(tmp_path / "d", 2, 8)
    spoil(tmp_path / "d", names[0])
    assert run(tmp_path / "d", tmp_path / "results") is None
    error = words(capsys.readouterr().err)
    assert "dataset.skip_bad=true leaves out what can't be read" in error
    assert "Fetch" not in error
    skipped = run(tmp_path / "d", tmp_path / "results", "dataset.skip_bad=true")
    (note,) = [note for note in skipped["notes"] if "left out" in note]
    assert note.startswith(f"2 images can't be read and are left out (skip_bad): {names[0]}/001.png (")
    assert f"{names[0]}/002.png (empty)" in note
    assert main(["data", "check", "folder", f"dataset.path={tmp_path / 'd'}", "dataset.skip_bad=true"]) == 0
    for number in (1, 2):
        (tmp_path / "d" / names[0] / f"{number:03d}.png").unlink()
    assert run(tmp_path / "d", tmp_path / "results")["fit_id"] == skipped["fit_id"]


def test_exif_is_part_of_what_a_run_is(tmp_path):
    names = pictures(tmp_path / "d", 2, 4)
    plain = run(tmp_path / "d", tmp_path / "results")
    assert run(tmp_path / "d", tmp_path / "results", "dataset.exif=false")["fit_id"] == plain["fit_id"]
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = rewritten(tmp_path / "d", tmp_path / "turned", lambda image, path: image.rotate(180).save(path, exif=exif))
    asked = run(turned, tmp_path / "results", "dataset.exif=true")
    assert asked["fit_id"] not in (plain["fit_id"], run(turned, tmp_path / "results")["fit_id"])
    assert accuracy(asked) == accuracy(plain)
    assert len(names) == 2


def test_postscript_named_as_a_picture_starts_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **kwargs: pytest.fail("Ghostscript was started"))
    names = pictures(tmp_path / "d", 2, 4)
    Image.new("RGB", (32, 32)).save(tmp_path / "d" / names[0] / "a.png", "EPS")
    assert run(tmp_path / "d", tmp_path / "results") is None
    assert re.search(r"a\.png .cannot identify a picture in it; JPEG, PNG, .* are read", words(capsys.readouterr().err))


def test_equal_rows_of_features_are_warned_of(tmp_path, capsys):
    rows = np.random.default_rng(0).normal(size=(8, 128)).astype(np.float32)
    labels = np.arange(8) % 2
    np.savez(tmp_path / "train.npz", features=rows, labels=labels, class_names=["circle", "star"])
    np.savez(tmp_path / "test.npz", features=np.concatenate([rows[:1], rows[1:] + 1]), labels=labels)
    files = [f"dataset.{split}={tmp_path / split}.npz" for split in ("train", "test")]
    results = tmp_path / "results"
    assert main([*RUN[:-1], "dataset=features", *files, f"results={results}"]) == 0
    (path,) = results.rglob("result.json")
    said = "1 test images are training images too: test.npz[0] is train.npz[0]"
    assert said in json.loads(path.read_text())["notes"]
    assert said in words(capsys.readouterr().err)

"""``promptlab adapt``: from pictures to a folder with a learner and the evidence."""

import io
import json
import re
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import promptlab
from promptlab.cli.main import main
from promptlab.own.adapted import read_adapted
from promptlab.results.logits import read_logits
from tests.helpers.drawn import pictures
from tests.helpers.quick_candidates import quick  # noqa: F401  # a fixture

DEMO = ("--backbone", "demo", "--views", "0")
QUICKEST = (*DEMO, "--learner", "tip_adapter_f")
MARKUP, CYRILLIC, TEX = "<img src=x onerror=alert(1)>", "красный круг", r"$\frac{a}{b}$ & \"c\""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Four classes of 5, 4, 3 and 1 pictures with ugly names; a copy, a smaller copy, a bad file, and no picture."""
    drawn = tmp_path_factory.mktemp("drawn")
    folder = tmp_path_factory.mktemp("my pictures")
    for name, new, count in zip(pictures(drawn, 4, 5), (MARKUP, CYRILLIC, TEX, "one"), (5, 4, 3, 1), strict=True):
        (folder / new).mkdir()
        for file in sorted((drawn / name).iterdir())[:count]:
            shutil.copy(file, folder / new)
    shutil.copy(folder / MARKUP / "000.png", folder / MARKUP / "again.png")
    Image.open(folder / CYRILLIC / "001.png").resize((48, 48)).save(folder / CYRILLIC / "larger.png")
    (folder / TEX / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "notes.txt").write_text("-")
    return folder


@pytest.fixture(scope="module")
def adapted(given, tmp_path_factory, quick):  # noqa: F811
    """What the command leaves, and what it says."""
    to = tmp_path_factory.mktemp("to") / "adapted"
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setenv("COLUMNS", "200")
        assert main(["adapt", str(given), "--out", str(to), *DEMO]) == 0
    return to, out.getvalue(), err.getvalue()


def test_it_says_what_it_sees_once(adapted):
    _, out, err = adapted
    for said in (
        "4 classes of 1 to 6 pictures, 15 pictures in all\n",
        "counts are uneven, 6.0 to 1; the fewest: one (1)",
        f"1 picture is a copy to the byte, held out together: {MARKUP}/again.png of {MARKUP}/000.png",
        f"1 picture is a copy to the eye, held out together: {CYRILLIC}/larger.png of {CYRILLIC}/001.png",
        "1 picture is always trained on and never held out, so that no fold lacks a class: one",
        f"1 image can't be read and is left out: {TEX}/bad.jpg",
        "1 file is ignored, which is no image or in no class's folder: notes.txt",
    ):
        assert out.count(said) == 1, said
        assert said not in err


def test_all_candidates_scores_are_shown_and_why_one_was_taken(adapted):
    to, out, _ = adapted
    found = read_adapted(to)
    assert [row.name for row in found.candidates] == ["zero_shot", "clap", "tip_adapter_f", "coop"]
    for row in found.candidates:
        line = next(line for line in out.splitlines() if re.match(rf"[* ] +{row.name} ", line))
        assert f" {100 * row.accuracy:.1f} " in line
        assert line.startswith("*") == (row.name == found.chosen)
        assert len(row.fold_accuracies) == found.folds
    assert found.reason in out
    assert f"{found.chosen} fitted on all 15 pictures in {to}" in out


def test_the_accuracies_of_folds_add_up_to_the_accuracy(adapted):
    found = read_adapted(adapted[0])
    sizes = np.bincount([one.fold for one in found.pictures if one.fold is not None])
    assert sizes.sum() == 14
    for row in found.candidates:
        assert np.dot(sizes, row.fold_accuracies) / 14 == pytest.approx(row.accuracy)


def test_copies_are_in_one_fold_and_the_single_picture_in_none(adapted):
    by_name = {one.file: one for one in read_adapted(adapted[0]).pictures}
    for first, second in (
        (f"{MARKUP}/000.png", f"{MARKUP}/again.png"),
        (f"{CYRILLIC}/001.png", f"{CYRILLIC}/larger.png"),
    ):
        assert by_name[first].fold == by_name[second].fold
        assert by_name[first].group == by_name[second].group
    assert by_name["one/000.png"].fold is None


def test_the_folder_holds_a_learner_that_predicts_with_names_and_its_temperature(adapted, given):
    to, _, _ = adapted
    learner = promptlab.load_learner(to)
    assert learner.class_names == tuple(sorted([MARKUP, CYRILLIC, TEX, "one"]))
    assert learner.decision.temperature == read_adapted(to).honesty.temperature
    assert learner.decision.chosen_on.startswith("14 held-out pictures of ")
    assert learner.reading == {"exif": True}
    predicted = promptlab.predict(learner, [given / MARKUP / "000.png"])
    assert predicted.names[0] in learner.class_names


def test_the_card_says_how_it_was_trained_wherever_it_is_pushed(adapted, given):
    to, _, _ = adapted
    found, training = read_adapted(to), promptlab.read_card(to / "card.json").training
    chosen = next(row for row in found.candidates if row.name == found.chosen)
    assert (training.dataset, training.shots, training.train_images) == (given.name.replace(" ", "_"), "1 to 6", 15)
    assert training.top1 == {"held_out": chosen.accuracy}
    assert promptlab.read_card(to / "card.json").result is None


def test_held_out_predictions_and_logits_are_of_the_pictures_in_folds(adapted):
    to, _, _ = adapted
    found = read_adapted(to)
    held_out = [one for one in found.pictures if one.fold is not None]
    predictions = promptlab.read_predictions(to / "predictions-held_out.safetensors")
    logits = read_logits(to / "logits-held_out.safetensors")
    assert predictions.files == tuple(one.file for one in held_out)
    assert predictions.content_ids() == logits.content_ids() == [one.content_id for one in held_out]
    assert predictions.labels.tolist() == logits.labels.tolist() == [one.label for one in held_out]
    chosen = next(row for row in found.candidates if row.name == found.chosen)
    assert (logits.logits.argmax(1) == logits.labels).mean() == pytest.approx(chosen.accuracy)
    probabilities = torch.from_numpy(logits.logits).div(found.honesty.temperature).softmax(1).amax(1)
    assert predictions.top_probabilities[:, 0] == pytest.approx(probabilities.numpy(), abs=1e-3)


def test_names_are_text_in_the_page_and_nothing_in_it_runs_or_loads(adapted):
    page = (adapted[0] / "adapted.html").read_text(encoding="utf-8")
    assert MARKUP not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert CYRILLIC in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page.count('<img src="data:image/jpeg;base64,') >= 4
    assert read_adapted(adapted[0]).reason in page


def test_again_into_the_same_folder_leaves_nothing_of_before(adapted, tmp_path, monkeypatch, capsys):
    to = tmp_path / "adapted"
    shutil.copytree(adapted[0], to)
    shutil.rmtree(tmp_path / "two", ignore_errors=True)
    for name in ("red", "blue"):
        (tmp_path / "two" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), name).save(tmp_path / "two" / name / "1.png")
    monkeypatch.chdir(tmp_path)
    assert main(["adapt", "two", *DEMO]) == 0
    out = capsys.readouterr().out
    assert "2 classes of 1 picture, 2 pictures in all" in out
    assert (
        "clap, which starts from the names and stays near them: every class has a single picture, and none can" in out
    )
    assert sorted(path.name for path in to.iterdir()) == [
        "adapted.html", "adapted.json", "card.json", "learned.safetensors"
    ]  # fmt: skip
    found = read_adapted("adapted")
    assert (found.chosen, found.folds, found.honesty) == ("clap", 0, None)
    assert promptlab.load_learner("adapted").decision.temperature == 1.0
    assert "Nothing could be held out" in (to / "adapted.html").read_text()


def test_a_column_keeps_its_groups_together(given, tmp_path, monkeypatch, capsys):
    files = sorted(given.glob(f"{MARKUP}/00*")) + sorted(given.glob(f"{CYRILLIC}/00*"))
    rows = [f'"{file}","{file.parent.name}",{place % 3 or ""}' for place, file in enumerate(files)]
    table = "\n".join(["path,label,Patient No", *rows])
    (tmp_path / "table.csv").write_text(table, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["adapt", "table.csv", *QUICKEST, "--group", "patient no"]) == 0
    assert f"{2 + 3} groups of pictures that stay together" in capsys.readouterr().out
    found = {one.file.rpartition("/")[2] + one.file.partition("/")[0]: one for one in read_adapted("adapted").pictures}
    assert len(found) == 9
    folds = [next(one for one in found.values() if str(file).endswith(one.file)).fold for file in files]
    for patient in (1, 2):
        assert len({fold for place, fold in enumerate(folds) if place % 3 == patient}) == 1

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.encode())))
    assert main(["adapt", "-", *QUICKEST, "--group", "patient no", "--out", "of_input"]) == 0
    again = read_adapted("of_input")
    assert again.given == "-"
    assert again.pictures == read_adapted("adapted").pictures


def test_negative_names_are_classes_without_pictures_and_json_is_one_document(given, tmp_path, capsys):
    assert main(["adapt", str(given), *QUICKEST, "--negatives", "dog, cat,dog", "--out", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    assert "15 pictures in all, and 2 names without pictures" in captured.err
    learner = promptlab.load_learner(tmp_path)
    assert learner.class_names[-2:] == learner.decision.others == read_adapted(tmp_path).others == ("dog", "cat")
    document = json.loads(captured.out)
    assert (document["chosen"], document["folder"]) == ("tip_adapter_f", str(tmp_path))
    assert document["counts"] == {CYRILLIC: 5, MARKUP: 6, TEX: 3, "one": 1, "dog": 0, "cat": 0}


def test_a_picture_of_a_class_is_no_negative(given, tmp_path, capsys):
    negative, to = tmp_path / "negative", tmp_path / "adapted"
    negative.mkdir()
    for shade in range(2):
        noise = np.random.RandomState(shade).randint(256, size=(32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(negative / f"{shade}.png")
    shutil.copy(given / TEX / "000.png", negative / "too.png")
    assert main(["adapt", str(given), *QUICKEST, "--negatives", str(negative), "--out", str(to)]) == 0
    said = f"1 negative is a class's picture to the byte, and no negative: too.png ({TEX}/000.png of {TEX})"
    assert capsys.readouterr().out.count(said) == 1
    found = read_adapted(to)
    assert said in found.left_out
    assert found.counts[found.class_names.index("other")] == 2
    assert len({one.content_id for one in found.pictures}) == len(found.pictures) - 1  # of the given ones one is a copy

    for shade in range(2):
        (negative / f"{shade}.png").unlink()
    assert main(["adapt", str(given), *QUICKEST, "--negatives", str(negative), "--out", str(tmp_path / "no")]) == 1
    assert "each picture there is one of the classes' too, and can't be none of them: too.png" in (
        capsys.readouterr().err
    )


def test_negative_pictures_are_a_class_other(given, tmp_path, capsys):
    for shade in range(3):
        (tmp_path / "negative" / str(shade)).mkdir(parents=True)
        noise = np.random.RandomState(shade).randint(256, size=(32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "negative" / str(shade) / "n.png")
    (tmp_path / "negative" / "bad.png").write_bytes(b"no")
    to = tmp_path / "adapted"
    assert main(["adapt", str(given), *QUICKEST, "--negatives", str(tmp_path / "negative"), "--out", str(to)]) == 0
    assert "1 negative can't be read and is left out: bad.png" in capsys.readouterr().out
    found, learner = read_adapted(to), promptlab.load_learner(to)
    assert found.counts[-1] == 3
    assert learner.decision.others == ("other",)
    assert {one.fold is None for one in found.pictures if one.label == 4} == {False}
    assert learner.decision.answers(9 * torch.eye(5), learner.class_names)[3:] == (learner.class_names[3], None)


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (("--learner", "cop"), 2, "learner 'cop' isn't known here, did you mean coop?"),
        (("--budget", "0"), 2, "budget=0"),
        (("--views", "-1"), 2, "views=-1"),
        (("--backbone", "vit_b17"), 2, "vit_b17"),
        (("--template", "a photo"), 2, "needs exactly one {}"),
        (("--group", "patient"), 2, "--group patient: a folder has no columns; give a table"),
        (("--negatives", "one"), 2, "--negatives: 'one' is one of the classes already"),
        (("--negatives", "no/such"), 2, "--negatives no/such: there is no such folder"),
        (("--negatives", " , "), 2, "a folder, or names with commas between, is needed"),
    ],
)
def test_what_can_t_be_is_said(given, tmp_path, capsys, more, status, said):
    assert main(["adapt", str(given), "--out", str(tmp_path / "to"), *more]) == status
    assert said in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_pictures_that_can_t_be_are_said(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["adapt", "nowhere", *DEMO]) == 2
    assert f"there is nothing at {tmp_path / 'nowhere'}: a folder with a folder" in capsys.readouterr().err
    (tmp_path / "one" / "red").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save("one/red/1.png")
    assert main(["adapt", "one", *DEMO]) == 1
    assert "there is one class, red" in capsys.readouterr().err
    (tmp_path / "table.csv").write_text("path,label\none/red/1.png,red\n")
    assert main(["adapt", "table.csv", *DEMO, "--group", "camera"]) == 1
    assert "has no column 'camera'; it has path, label" in capsys.readouterr().err


def test_a_class_that_is_one_picture_many_times_is_said_and_the_others_are_compared(given, tmp_path, capsys):
    folder = tmp_path / "pictures"
    for name in (MARKUP, CYRILLIC):
        shutil.copytree(given / name, folder / name)
    (folder / "same").mkdir()
    with Image.open(given / TEX / "000.png") as picture:
        for side in (32, 40, 48, 64):
            picture.resize((side, side)).save(folder / "same" / f"{side}.png")
    to = tmp_path / "adapted"
    assert main(["adapt", str(folder), *QUICKEST, "--out", str(to)]) == 0
    assert "4 pictures are always trained on and never held out, so that no fold lacks a class: same" in (
        capsys.readouterr().out
    )
    found = read_adapted(to)
    assert found.folds > 1
    assert {one.fold for one in found.pictures if found.class_names[one.label] == "same"} == {None}

    shutil.rmtree(folder / MARKUP)
    for file in list((folder / CYRILLIC).iterdir())[1:]:
        file.unlink()
    assert main(["adapt", str(folder), *DEMO, "--out", str(to)]) == 0
    said = capsys.readouterr().out
    assert (
        "of no class a picture can be held out: all those of a class belong together, as copies of one picture" in said
    )
    assert "always trained on" not in said  # there are no folds that could lack a class
    assert read_adapted(to).chosen == "clap"

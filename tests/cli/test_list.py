import json

import pytest

from promptlab.cli.main import main


def backbones(capsys, *options):
    assert main(["list", "backbones", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)["backbones"]


def test_backbones_are_chosen_by_their_tower_and_languages(capsys):
    every, causal, german = (backbones(capsys, *options) for options in ((), ("--causal",), ("--language", "de")))
    assert {"demo", "siglip2_b16", "metaclip2_h14", "biomedclip"} <= every.keys()
    assert {about["text_tower"] for about in causal.values()} == {"causal"}
    assert set(causal) == {name for name, about in every.items() if about["text_tower"] == "causal"}
    assert set(german) == {"metaclip2_h14", "siglip2_b16", "siglip2_l16"}
    assert set(backbones(capsys, "--causal", "--language", "DE")) == {"metaclip2_h14"}
    assert backbones(capsys, "--language", "en") == every


@pytest.mark.parametrize("options", [["learners", "--causal"], ["--language", "en"]])
def test_other_lists_know_no_towers(options, capsys):
    assert main(["list", *options]) == 2
    assert "choose among backbones" in capsys.readouterr().err


def test_of_a_teacher_the_folder_is_asked_for_and_no_more(capsys):
    assert main(["list", "learners", "promptkd"]) == 0
    said = capsys.readouterr().out
    assert "learner.teacher.folder=null" in said
    assert "learner.teacher.id" not in said
    assert said.rstrip().endswith("promptlab learner=promptkd teacher=FOLDER")


def test_of_a_dataset_all_keys_but_the_root_are_told(capsys):
    assert main(["list", "datasets", "folder", "eurosat"]) == 0
    said = capsys.readouterr().out
    assert "dataset.class_names=null" in said
    assert "dataset.template=a photo of a {}." in said
    assert "dataset.root" not in said
    assert ":mod:" not in said

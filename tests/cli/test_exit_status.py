"""Wrong options and targets end with 2, as README says of what can't be understood; what is tried and fails with 1."""

import pytest

import promptlab
from promptlab.cli.main import main
from tests.helpers.drawn import pictures


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures and saved learners."""
    folder = tmp_path_factory.mktemp("exit_status")
    clip, names = promptlab.load_clip("demo"), ["red circle", "blue star"]
    pictures(folder / "pics", 2, 2)
    (folder / "empty").mkdir()
    (folder / "a.csv").mkdir()
    for kind in (promptlab.ZeroShot, promptlab.CoCoOp, promptlab.LinearProbe, promptlab.TPT):
        kind(clip, names).save_pretrained(folder / kind.__name__)
    return folder


TARGETS = ["dataset=demo_textures", "learner=zero_shot", "backbone=demo"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "ZeroShot", "--to", "pickle"], "no such form"),
        (["export", "ZeroShot", "--to", "numpy", "--int8"], "int8"),
        (["export", "CoCoOp", "--to", "numpy"], "export it --to onnx"),
        (["export", "TPT", "--to", "torch_export"], "no exported program"),
        (["export", "ZeroShot", "--to", "numpy", "--check", "nowhere"], "holds no pictures"),
        (["export", "ZeroShot", "--to", "numpy", "--check", "empty"], "holds no pictures"),
        (["export", "ZeroShot", "--to", "numpy", "--out", "empty"], "empty is a folder: the name of a file is needed"),
        (["predict", "ZeroShot", "empty"], "holds no pictures"),
        (["predict", "nowhere", "pics"], "there is no folder"),
        (["predict", "pics/../a.onnx", "pics"], "there is no folder"),
        (["convert", "nowhere.pth", "out", "learner=coop"], "there is no checkpoint"),
        (["learner=zero_shot", "backbone=vit_b32", "backbone.pretrained=nowhere.pt"], "no checkpoint"),
        (["predict", "ZeroShot", "pics", "--top", "0"], "top=0"),
        (["predict", "ZeroShot", "pics", "--threshold", "2"], "threshold=2"),
        (["predict", "ZeroShot", "pics", "--sets", "0.9"], "--sets needs"),
        (["predict", "ZeroShot", "pics", "--out", "a.csv"], "--out a.csv: that is a folder"),
        (["predict", "ZeroShot", "pics", "--classes", ","], "class name 0 is empty"),
        (["predict", "ZeroShot", "pics", "--classes", ""], "no classes are chosen"),
        (["predict", "ZeroShot", "pics", "--classes", "blue star,blue star"], "more than once: blue star"),
        (["predict", "LinearProbe", "pics", "--classes", "ring"], "'ring' is no class"),
        ([*TARGETS, "protocol=cross_dataset", "protocol.targets=[]"], "needs targets"),
        ([*TARGETS, "protocol=cross_dataset", "protocol.targets=[demo_textures]"], "is the source"),
        ([*TARGETS, "protocol=cross_dataset", "protocol.targets=[demo_shapes,demo_shapes]"], "is there twice"),
        ([*TARGETS, "protocol=cross_dataset", "protocol.targets=[demo_shape]"], "did you mean demo_shapes?"),
        ([*TARGETS, "protocol=domain_generalization", "protocol.targets=[]"], "needs targets"),
        ([*TARGETS, "protocol=open_world", "protocol.targets=[demo_textures]"], "is the source"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_wrong_options_and_targets_end_with_2(place, monkeypatch, capsys, words, said):
    monkeypatch.chdir(place)
    assert main(words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_what_is_understood_and_fails_ends_with_1(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert main(["predict", "pics", "pics"]) == 1
    assert "has no card.json" in capsys.readouterr().err

"""The command line: what it composes, what it refuses, what it imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import promptlab.cli.main as cli
from promptlab import load_clip
from promptlab.config.overrides import split_flags
from promptlab.demo.datasets import demo_dataset
from promptlab.features import FeatureBank
from promptlab.support.paths import conf_dir
from tests.helpers.settings import settings_of

LIGHT = ["--help", "--version", "list", "list learners", "list datasets", "list protocols", "list backbones"]


def run_main(capsys, *arguments):
    status = cli.main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("arguments", LIGHT)
def test_looking_around_imports_nothing_heavy(arguments):
    script = (
        "import sys; from promptlab.cli.main import main; status = main(sys.argv[1:]);"
        "heavy = {'torch', 'hydra', 'lightning', 'open_clip', 'torchmetrics'} & sys.modules.keys();"
        "sys.exit(f'imported {heavy}' if heavy or status else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_lists_show_every_choice_and_what_it_is(capsys):
    for kind, group in {
        "learners": "learner",
        "datasets": "dataset",
        "protocols": "protocol",
        "backbones": "backbone",
    }.items():
        status, out, _ = run_main(capsys, "list", kind)
        assert status == 0
        for path in (conf_dir() / group).glob("*.yaml"):
            about = yaml.safe_load(path.read_text())["about"]
            assert path.stem in out
            assert about["summary"].split()[0] in out


def test_list_reads_a_plug_ins_folder(capsys, tmp_path):
    (tmp_path / "learner").mkdir()
    (tmp_path / "learner" / "mine.yaml").write_text("about:\n  summary: something new\n")
    assert "something new" in run_main(capsys, "list", "learners", "--config-dir", str(tmp_path))[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "unknown command 'runn', did you mean run?"),
        (["list", "learner"], "no list 'learner'"),
        (["shotz=4"], "unknown key shotz, did you mean shots?; allowed are backbone, dataset"),
        (["data.rot=x"], "unknown key data.rot, did you mean root?"),
        (["shots=many"], "shots='many': a whole number from 1"),
        (["shots=0"], "shots=0"),
        (["views=-1"], "views=-1"),
        (["seed=a"], "seed='a': a whole number from 0"),
        (["val=some"], "val='some': one of few, shots, full, none, test is needed"),
        (["select=best"], "select='best': one of last, val, test is needed"),
        (["select=val", "val=none"], "select=val needs validation images"),
        (["learner=coopp"], "unknown learner coopp, did you mean coop?; allowed are ape, ape_published"),
        (["dataset=eurosatt"], "did you mean eurosat?"),
        (["learner.n_ctxx=4"], "unknown key learner.n_ctxx, did you mean n_ctx?"),
        (["learner.optim.lr=fast"], "learner.optim.lr='fast': a number above 0 and up to 1,000 is needed"),
        (["backbone.precission=fp16"], "did you mean precision?"),
        (["trainer.max_tme=1"], "did you mean max_time?"),
        (["trainer.max_epochs=3"], "epochs belong to the learner"),
        (["experiment=coop_base_too_new"], "did you mean coop_base_to_new?"),
        (["protocol.shots=4"], "protocol.shots is given by the run itself"),
        (["learner.clip=x"], "learner.clip is given by the run itself"),
        (["learner=ship", "learner.has_images=[true,false]"], "learner.has_images is given by the run itself"),
        (["learner.name=null"], "a name for the results folder"),
        (["learner.optim=5"], "learner.optim=5: Optim or null is needed"),
        (["learner.optim.epochs=0"], "learner.optim.epochs=0: a whole number from 1"),
        (["learner=zero_shot", "learner.templates=5"], "learner.templates=5"),
        (["seed=1,2"], "seed has several values: add -m"),
        (["-m", "seed=1,x"], "seed='x'"),
        (["seed=1,2", "learner=coop,coopp", "-m"], "unknown learner coopp"),
        (["-m", "seed=1,2", "trainer.devices=2"], "trainer.devices=2: one fit trains on one device"),
        (["learner._target_=promptlab.training.Optim"], "a PromptLearner is needed"),
    ],
)
def test_mistakes_are_named_before_anything_runs(capsys, arguments, message):
    status, _, err = run_main(capsys, *arguments)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_flags_may_stand_anywhere():
    assert split_flags(["a=1", "-m", "b=2", "--config-dir", "x"]) == (["-m", "--config-dir", "x"], ["a=1", "b=2"])


@pytest.mark.parametrize("path", sorted((conf_dir() / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_composes(path):
    settings_of([f"experiment={path.stem}"])


def test_recipes_have_their_papers_settings():
    few = settings_of(["experiment=coop_few_shot", "dataset=eurosat", "shots=1"]).learner.arguments
    assert (few["n_ctx"], few["ctx_init"], few["optim"].arguments["epochs"]) == (16, None, 50)
    settings = settings_of(["experiment=coop_base_to_new", "dataset=eurosat"])
    base = settings.learner.arguments
    assert (base["n_ctx"], base["ctx_init"], base["optim"].arguments["epochs"]) == (4, "a photo of a", 200)
    assert settings.backbone.arguments["name"] == "ViT-B-16-quickgelu"


@pytest.mark.parametrize("group", ["backbone", "dataset", "learner", "protocol"])
def test_every_choice_passes_its_own_check(group):
    for path in (conf_dir() / group).glob("*.yaml"):
        if path.stem != "features":  # has nothing until files are named
            settings_of([f"{group}={path.stem}"])


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["++learner.n_ctx=8"], (8, None)),
        (["++learner.ctx_init=a bad photo of the"], (None, "a bad photo of the")),
        (["++learner.ctx_init=null"], (4, None)),
        (["protocol=few_shot", "++learner.ctx_init=a photo of a"], (None, "a photo of a")),
    ],
)
def test_setting_one_of_the_recipes_two_moves_the_other_aside(overrides, expected):
    learner = settings_of(overrides).learner.arguments
    assert (learner["n_ctx"], learner["ctx_init"]) == expected


def test_a_failed_run_is_a_message(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run_main(capsys, "dataset=eurosat", "data.root=nowhere")
    assert status == 1
    assert "nowhere" in err
    assert not list(Path().rglob("result.json"))


def test_the_cache_is_listed_pruned_and_cleared(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path))
    assert "nothing is kept" in run_main(capsys, "cache", "list")[1]
    dataset, bank = demo_dataset("demo_shapes"), FeatureBank()
    bank.features(load_clip("demo"), dataset.val, progress=False)
    listed = run_main(capsys, "cache", "list")[1]
    assert "unknown " in listed
    assert "384" in listed
    bank.note("demo_shapes", dataset.val)
    listed = run_main(capsys, "cache", "list")[1]
    assert "unknown" not in listed
    assert "demo_shapes" in listed
    [row] = json.loads(run_main(capsys, "cache", "list", "--json")[1])["rows"]
    assert (row["dataset"], row["images"], row["bytes"]) == ("demo_shapes", 384, 384 * 128 * 4)
    assert "dropped 0 features" in run_main(capsys, "cache", "prune", "--older-than-days", "1")[1]
    (tmp_path / "zero_shot").mkdir()
    (tmp_path / "zero_shot" / "0.json").write_text("{}")
    assert "zero-shot scores of 1 evaluation" in run_main(capsys, "cache", "list")[1]
    assert "dropped 384 features of 1" in run_main(capsys, "cache", "clear")[1]
    assert "nothing is kept" in run_main(capsys, "cache", "list")[1]
    assert not list((tmp_path / "zero_shot").iterdir())


def test_pruning_needs_a_limit(capsys):
    with pytest.raises(SystemExit):
        cli.main(["cache", "prune"])
    assert "--older-than-days DAYS or --keep-mb MB" in capsys.readouterr().err


def test_a_composed_configuration_is_shown_and_its_mistakes_are_messages(capsys):
    status, out, _ = run_main(capsys, "--cfg", "job", "shots=2")
    assert (status, yaml.safe_load(out)["shots"]) == (0, 2)
    status, _, err = run_main(capsys, "--cfg", "job", "shotz=2")
    assert status == 2
    assert "unknown key shotz, did you mean shots?" in err
    status, _, err = run_main(capsys, "-m", "--cfg", "job", "seed=1,2")
    assert (status, err.count("\n")) == (2, 1)
    assert "--cfg shows the configuration of one run: leave out -m" in err


@pytest.mark.parametrize("flag", ["--config-dir", "-cd"])
def test_a_folder_of_configurations_must_be_there(capsys, flag, tmp_path):
    status, _, err = run_main(capsys, flag, str(tmp_path / "nowhere"), "shots=x")
    assert status == 2
    assert "nowhere: there is no such folder" in err


def test_an_interruption_ends_in_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("promptlab.runs.run.open_parts", interrupted)
    status, _, err = run_main(capsys, "shots=1")
    assert status == 130
    assert err == "promptlab: interrupted; run it again to go on\n"


def interrupted(settings):
    raise KeyboardInterrupt

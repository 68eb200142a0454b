"""``promptlab -m study=NAME``: runs what it stands for, names what is missing, and ends with what to do next."""

import pytest

import promptlab.cli.main as cli
from promptlab import load_results

SMALL = ["-m", "backbone=demo", "views=0", "trainer.enable_progress_bar=false"]


@pytest.fixture
def say(capsys):
    def said(*arguments):
        status = cli.main(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return said


def test_a_study_runs_and_names_the_report(say, tmp_path):
    (tmp_path / "conf" / "study").mkdir(parents=True)
    sweep = "{protocol: few_shot, dataset: demo_textures, learner: [zero_shot, tip_adapter], shots: 1, seed: [1, 2]}"
    (tmp_path / "conf" / "study" / "small.yaml").write_text(f"sweep: {sweep}\n")
    results = str(tmp_path / "results")
    folder = ["--config-dir", str(tmp_path / "conf")]
    status, out, _ = say(*SMALL, *folder, "study=small", "seed=2", f"results={results}")
    assert status == 0
    assert "1/2  learner=zero_shot" in out
    assert out.splitlines()[-1] == f"next: promptlab report {results} --html report.html"
    assert {(result.learner, result.seed) for result in load_results(results)} == {("zero_shot", 2), ("tip_adapter", 2)}


def test_every_missing_dataset_is_named_at_once_before_anything_runs(say, tmp_path):
    status, _, err = say("-m", "study=coop_few_shot", f"data.root={tmp_path}", f"results={tmp_path / 'results'}")
    assert status == 1
    assert "11 datasets are missing" in err
    assert f"promptlab data prepare $name --root {tmp_path}" in err
    assert all(name in err for name in ("imagenet", "ucf101"))
    assert not (tmp_path / "results").exists()


def test_what_is_there_runs_if_told(say, tmp_path):
    words = [*SMALL, "study=coop_few_shot", "dataset=demo_textures,dtd", "shots=1", "seed=1", "experiment=null"]
    words += ["protocol=few_shot", "learner=zero_shot", f"data.root={tmp_path}", f"results={tmp_path / 'results'}"]
    status, _, err = say(*words)
    assert (status, "without it: --skip-missing" in err) == (1, True)
    status, _, err = say(*words, "--skip-missing")
    assert "left out 1 missing dataset: dtd" in err
    assert status == 0, err
    assert [result.dataset for result in load_results(tmp_path / "results")] == ["demo_textures"]


def test_targets_that_are_missing_are_left_out_if_told(say, tmp_path):
    words = [*SMALL, "protocol=cross_dataset", "dataset=demo_shapes", "protocol.targets=[demo_textures,dtd]",
             "learner=zero_shot", "shots=1", f"data.root={tmp_path}", f"results={tmp_path / 'results'}"]  # fmt: skip
    status, _, err = say(*words, "--skip-missing")
    assert "left out 1 missing dataset: dtd" in err
    assert status == 0, err
    (result,) = load_results(tmp_path / "results")
    assert "demo_textures" in result.evaluations


def test_a_run_alone_leaves_no_dataset_out(say):
    status, _, err = say("dataset=dtd", "--skip-missing")
    assert (status, "add -m" in err) == (2, True)

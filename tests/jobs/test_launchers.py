"""Launchers of sweeps: one word each, the same numbers, and a message where the plugin isn't there."""

import importlib
import os
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from promptlab.cli.main import main
from promptlab.config import launchers
from promptlab.config.compose import composed
from promptlab.jobs import workers
from promptlab.results.store import load_results
from promptlab.support.paths import conf_dir

SOURCE = Path(__file__).resolve().parents[1] / "earlier" / "written" / "features" / "source"
PLUGINS = {
    "joblib": ("hydra_joblib_launcher.config", "JobLibLauncherConf"),
    "submitit_local": ("hydra_submitit_launcher.config", "LocalQueueConf"),
    "submitit_slurm": ("hydra_submitit_launcher.config", "SlurmQueueConf"),
    "ray": ("hydra_ray_launcher._config", "RayLauncherConf"),
}
FEATURES = [f"dataset.{split}={SOURCE}_{split}.npz" for split in ("train", "val", "test")]
SWEEP = ("protocol=few_shot", "dataset=features", "dataset.name=source", *FEATURES, f"dataset.class_names={SOURCE}.txt",
         "learner=tip_adapter", "learner.search=false", "shots=1", "seed=1,2")  # fmt: skip
SMALL_CLUSTER = ["hydra.launcher.ray.init.num_cpus=2", "hydra.launcher.ray.init.include_dashboard=false"]


def file_of(name):
    return yaml.safe_load((conf_dir() / "hydra" / "launcher" / f"{name}.yaml").read_text())


def scores_in(folder):
    return {run.fit_id: run.evaluations["test"].metrics for run in load_results(folder)}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder of its own; what a sweep tells its workers must be gone afterwards."""
    monkeypatch.chdir(tmp_path)
    before = told()
    yield tmp_path
    assert told() == before


def told():
    """What of the environment a sweep might leave behind."""
    names = ("PROMPTLAB_SWEEP_PROCESS", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", *workers._RAY_OFF)
    return {name: os.environ[name] for name in names if name in os.environ}


@pytest.mark.parametrize("name", PLUGINS)
def test_our_file_has_every_key_of_the_plugins(name):
    module, kind = PLUGINS[name]
    plugin = pytest.importorskip(f"hydra_plugins.{module}", reason=f"{name} needs an extra")
    own = file_of(name)
    assert {field.name for field in fields(getattr(plugin, kind))} - own.keys() == set()
    assert own["_target_"] == getattr(plugin, kind)._target_


def test_our_files_stand_for_the_plugins_configurations(recwarn):
    found = composed(["hydra/launcher=joblib"])
    assert not [warning for warning in recwarn if "ConfigStore" in str(warning.message)]
    assert found.seed == 1


@pytest.mark.parametrize(("name", "extra"), [("joblib", "sweep"), ("submitit_slurm", "slurm"), ("ray", "ray")])
def test_a_plugin_that_is_not_there_is_a_message(name, extra, workplace, monkeypatch, capsys):
    monkeypatch.setattr(launchers, "find_spec", lambda module: None)
    assert main(["-m", f"hydra/launcher={name}", "seed=1,2"]) == 2
    said = capsys.readouterr().err
    assert f"hydra/launcher={name} needs hydra-{name.split('_')[0]}-launcher: pip install" in said
    assert f"[{extra}]" in said
    assert not list(workplace.iterdir())


def test_workers_share_out_the_gpus_by_the_number_of_their_run(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "end_when", lambda *of: None)
    monkeypatch.setattr("promptlab.jobs.gpus.gpu_count", lambda: 2)
    config = OmegaConf.create(
        {
            "hydra": {
                "mode": "MULTIRUN",
                "launcher": {"_target_": file_of("submitit_local")["_target_"]},
                "sweep": {"dir": str(tmp_path / "sweeps" / "1")},
                "runtime": {"cwd": str(tmp_path)},
                "job": {"num": 3},
            }
        }
    )
    config.hydra.mode = workers.RunMode.MULTIRUN
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    before, callback = told(), workers.Workers()
    callback.on_multirun_start(config)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    callback.on_job_start(config)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    config.hydra.job.num = 4
    callback.on_job_start(config)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"  # CUDA may have started
    callback.on_multirun_end(config)
    assert told() == before


@pytest.mark.parametrize("name", ["submitit_local", "ray"])
def test_a_sweep_gives_the_same_numbers(name, workplace, monkeypatch, capfd):
    pytest.importorskip(f"hydra_plugins.hydra_{name.split('_')[0]}_launcher", reason=f"{name} needs an extra")
    monkeypatch.setattr(sys, "argv", ["promptlab"])
    assert main(["-m", *SWEEP, "results=alone"]) == 0
    own = [f"hydra/launcher={name}", *(SMALL_CLUSTER if name == "ray" else [])]
    assert main(["-m", *SWEEP, *own, "results=beside"]) == 0
    if name == "ray":
        importlib.import_module("ray").shutdown()
    said = capfd.readouterr()
    assert said.out.count("tip_adapter  ") == 2  # both tables
    assert "Traceback" not in said.err
    assert said.out.count("2/2  seed=2  ") == 2, "a line for each run, however it was launched"
    assert len(scores_in("alone")) == 2
    assert scores_in("alone") == scores_in("beside")

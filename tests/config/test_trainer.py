"""Options of Lightning's trainer: each is handed on and true, or refused with the reason."""

import inspect
from datetime import timedelta

import lightning
import pytest
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.profilers import SimpleProfiler

from promptlab.config.choice import Choice
from promptlab.config.settings import ConfigError
from promptlab.config.trainer import OPTIONS, check_options, telling
from promptlab.learners import ZeroShot
from tests.helpers.settings import settings_of, small_settings

SIGNATURE = inspect.signature(lightning.Trainer).parameters

TAKEN = {
    "precision": ("32-true", "32", 32, "bf16-mixed", "bf16", "16-mixed", 16),
    "max_steps": (-1, 1, 500),
    "max_time": ("00:00:10:00", "1:00:00:00", timedelta(minutes=1), {"minutes": 90}),
    "limit_train_batches": (1, 3, 0.5, 1.0),
    "accumulate_grad_batches": (1, 8),
    "gradient_clip_val": (0, 0.5, 3),
    "gradient_clip_algorithm": ("norm", "value"),
    "deterministic": (True, False, "warn"),
    "benchmark": (True, False),
    "detect_anomaly": (True, False),
    "enable_progress_bar": (True, False),
    "enable_model_summary": (True, False),
    "logger": (True, False, CSVLogger("x"), [CSVLogger("x")]),
    "log_every_n_steps": (0, 50),
    "default_root_dir": ("elsewhere",),
    "profiler": (SimpleProfiler(),),
    "callbacks": (Timer(), [Timer()], []),
}
"""Values that Lightning gets."""
SAME = {
    "accelerator": ("auto", "cpu", "gpu", "cuda", "mps"), "devices": (1, "1", "auto"), "num_nodes": (1,),
    "strategy": ("auto",), "plugins": ([],), "sync_batchnorm": (False,), "use_distributed_sampler": (True,),
    "max_epochs": (), "min_epochs": (), "min_steps": (), "fast_dev_run": (False,), "overfit_batches": (0, 0.0),
    "reload_dataloaders_every_n_epochs": (0,), "limit_val_batches": (1.0,), "val_check_interval": (1.0,),
    "check_val_every_n_epoch": (1,), "num_sanity_val_steps": (0,), "limit_test_batches": (1.0,),
    "limit_predict_batches": (1.0,), "inference_mode": (True,), "enable_checkpointing": (False,), "barebones": (False,),
    "enable_autolog_hparams": (True, False), "model_registry": (),
}  # fmt: skip
"""Values that say what a fit does anyhow, of options that aren't the caller's."""
REFUSED = {
    "precision": (8, "8", 64, "64-true", "16-true", "bf16-true", "transformer-engine", True, [16], {}),
    "max_steps": (0, -2, 1.5, "5", True),
    "max_time": ("now", "1:30", "00:00:00:00", 90, 1.5, {"minute": 1}, {"minutes": "x"}, {"minutes": -1}, []),
    "limit_train_batches": (0, -1, 0.0, 1.5, float("nan"), "3", True),
    "accumulate_grad_batches": (0, -1, 1.5, "2", {0: 2}),
    "gradient_clip_val": (-1, float("inf"), float("nan"), "1", True),
    "gradient_clip_algorithm": ("l2", 2, []),
    "deterministic": ("yes", 1, "WARN"),
    "benchmark": ("yes", 1),
    "detect_anomaly": (1, "true"),
    "enable_progress_bar": (1, "no"),
    "enable_model_summary": (1,),
    "logger": ("csv", 5, ["csv"]),
    "log_every_n_steps": (-1, 1.5, "1"),
    "default_root_dir": (5,),
    "profiler": ("simple", "advanced", True),
    "callbacks": ("timer", 5, ["timer"], {"_target_": "lightning.pytorch.callbacks.Timer"}),
    "accelerator": ("tpu", "gpus", 1, {}),
    "devices": (2, "2", -1, [0, 1], "cuda:0"),
    "num_nodes": (2, 0),
    "strategy": ("ddp", "ddp_spawn", "fsdp"),
    "plugins": (["x"], "x"),
    "sync_batchnorm": (True,),
    "use_distributed_sampler": (False,),
    "max_epochs": (1, -1),
    "min_epochs": (1,),
    "min_steps": (1,),
    "fast_dev_run": (True, 2),
    "overfit_batches": (1, 0.1),
    "reload_dataloaders_every_n_epochs": (1,),
    "limit_val_batches": (0, 0.5),
    "val_check_interval": (0.5, 10),
    "check_val_every_n_epoch": (2,),
    "num_sanity_val_steps": (2, -1),
    "limit_test_batches": (0,),
    "limit_predict_batches": (0,),
    "inference_mode": (False,),
    "enable_checkpointing": (True,),
    "barebones": (True,),
    "enable_autolog_hparams": ("x",),
    "model_registry": ("me/model",),
}


def test_every_option_of_lightning_is_sorted_and_tried():
    assert SIGNATURE.keys() == OPTIONS.keys(), "sort Lightning's new options in promptlab/config/trainer.py"
    assert {*TAKEN, *SAME} == OPTIONS.keys() == REFUSED.keys()
    assert not TAKEN.keys() & SAME.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_handed_on_or_refused_by_name(name):
    for value in TAKEN.get(name, ()):
        assert check_options({name: value}) == {name: value}
    for value in (*SAME.get(name, ()), None):
        assert check_options({name: value}) == {}
    for value in REFUSED[name]:
        with pytest.raises(ValueError, match=f"^{name}=.*: .{{15,}}"):
            check_options({name: value})


@pytest.mark.parametrize(
    "name", sorted(TAKEN.keys() - {"deterministic", "benchmark"})
)  # these two are for the whole process
def test_lightning_takes_what_is_handed_on(name, tmp_path):
    for value in TAKEN[name]:
        if value not in ("16-mixed", 16):  # for a GPU
            own = {"logger": False, "enable_checkpointing": False, "default_root_dir": tmp_path}
            lightning.Trainer(accelerator="cpu", **{**own, name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "16-mixed"}, "a CPU has no 16-bit autocast: use bf16-mixed"),
        ({"accelerator": "gpu"}, r"where its backbone is, which is on the cpu: .*backbone\.device=cuda"),
        ({"deterministic": True, "benchmark": True}, "benchmark=True: .*deterministic=True"),
        ({"max_tme": 1}, "max_tme: unknown option of lightning.Trainer, did you mean max_time.; allowed are precision"),
    ],
)
def test_what_the_device_or_another_option_rules_out(options, message):
    with pytest.raises(ValueError, match=message):
        check_options(options, device="cpu")
    assert check_options({"precision": 16, "accelerator": "gpu"}, device="cuda") == {"precision": 16}


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.in_run])
def test_what_python_alone_can_give_names_what_a_run_has_instead(name):
    value = next(value for value in TAKEN[name] if value)
    with pytest.raises(ConfigError, match=f"^trainer.{name}=.*: .{{15,}}"):
        small_settings(Choice(ZeroShot), "results", trainer={name: value})


def test_settings_refuse_options_with_their_key():
    with pytest.raises(ConfigError, match=r"^trainer\.devices=2: one fit trains on one device"):
        small_settings(Choice(ZeroShot), "results", trainer={"devices": 2})
    with pytest.raises(ConfigError, match=r"trainer\.accelerator='gpu': .* on the cpu"):
        settings_of(["trainer.accelerator=gpu"])
    assert settings_of(["backbone.device=cuda", "trainer.accelerator=gpu"]).trainer["accelerator"] == "gpu"


def test_what_is_shown_tells_nothing_of_a_fit():
    assert telling({"enable_progress_bar": False, "max_steps": 3, "logger": True}) == {"max_steps": 3}

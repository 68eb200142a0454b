"""Options of ``lightning.Trainer``: which a fit hands on, and why the others are refused and what to use instead.

Every option has its line in :data:`OPTIONS`; a test compares them with Lightning's own signature. Nothing here imports
Lightning or torch, so that a mistake is answered at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from promptlab.support.words import suggest

_MIXED = ("16-mixed", "16", 16)
_PRECISIONS = ("32-true", "32", 32, "bf16-mixed", "bf16", *_MIXED)
_DURATION = re.compile(r"\d+:\d\d:\d\d:\d\d")


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a fit does with an option.

    Args:
        takes: whether a value is taken; None, which stands for Lightning's default, always is.
        otherwise: what is said of any other value: what is allowed, why, or what to use instead.
        passed: whether Lightning gets it. An option that isn't passed says what a fit does anyhow.
        shown: whether it changes nothing but what is shown or written besides: it is no part of what a fit is.
        in_run: what a run's configuration has in its place, of options that are given in Python alone; empty for all
            others.
    """

    takes: Callable[[Any], bool]
    otherwise: str
    passed: bool = True
    shown: bool = False
    in_run: str = ""


def check_options(options: Mapping[str, Any], *, device: str | None = None, in_run: bool = False) -> dict[str, Any]:
    """The options that Lightning gets, if a fit can be run with all of them.

    Args:
        options: by name.
        device: kind of the backbone's device (``cpu``, ``cuda``, ``mps``), where it is known.
        in_run: whether they come from a run's settings and not from a caller of :func:`promptlab.fit`.

    Raises:
        ValueError: for an option that doesn't exist, isn't the caller's to set, or has a value that can't be; the
            message begins with ``NAME=VALUE`` and says what is allowed or what to use.

    Example:
        >>> check_options({"precision": "bf16-mixed", "devices": 1}, device="cpu")
        {'precision': 'bf16-mixed'}
        >>> check_options({"devices": 2})
        Traceback (most recent call last):
        ValueError: devices=2: one fit trains on one device, the backbone's: ...
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name not in OPTIONS:
            taken = [key for key, option in OPTIONS.items() if option.passed and not (in_run and option.in_run)]
            raise ValueError(f"{name}: unknown option of lightning.Trainer{suggest(name, OPTIONS)}; allowed are "
                             f"{', '.join(taken)}")  # fmt: skip
        option = OPTIONS[name]
        if in_run and option.in_run and value:  # what is off needs nothing in its place
            raise ValueError(f"{name}={_short(value)}: {option.in_run}")
        if name == "accelerator":
            _check_accelerator(value, device)
        elif not option.takes(value):
            raise ValueError(f"{name}={_short(value)}: {option.otherwise}")
    if given.get("precision") in _MIXED and device == "cpu":
        raise ValueError(f"precision={_short(given['precision'])}: a CPU has no 16-bit autocast: use bf16-mixed")
    if given.get("deterministic") and given.get("benchmark"):
        raise ValueError("benchmark=True: cuDNN's search for the fastest way isn't deterministic=True: give one of the "
                         "two")  # fmt: skip
    return {name: value for name, value in given.items() if OPTIONS[name].passed}


def telling(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a fit's numbers may follow from."""
    return {name: value for name, value in options.items() if name not in OPTIONS or not OPTIONS[name].shown}


def _check_accelerator(value: Any, device: str | None) -> None:
    names = {"cpu": ("cpu",), "cuda": ("gpu", "cuda"), "mps": ("gpu", "mps")}
    allowed = [name for kind in ([device] if device in names else names) for name in names[str(kind)]]
    if value not in ("auto", *allowed):
        where = f", which is on the {device}" if device else ""
        raise ValueError(f"accelerator={_short(value)}: a fit trains where its backbone is{where}: set the backbone's "
                         "device (backbone.device=cuda)")  # fmt: skip


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _duration(value: Any) -> bool:
    if isinstance(value, Mapping):
        try:
            value = timedelta(**value)
        except (TypeError, OverflowError):
            return False
    if isinstance(value, timedelta):
        return value > timedelta()
    return isinstance(value, str) and bool(_DURATION.fullmatch(value.strip())) and bool(re.search("[1-9]", value))


def _share(value: Any) -> bool:
    return (_whole(value) and value >= 1) or (isinstance(value, float) and 0 < value <= 1)


def _profiler(value: Any) -> bool:
    return hasattr(value, "profile")


def _one_or_several(value: Any, method: str) -> bool:
    """Whether it is an object that has this method, or a list of such objects."""
    return all(hasattr(one, method) for one in (value if isinstance(value, list | tuple) else [value]))


def _path(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "__fspath__")


def _fixed(otherwise: str, *same: Any) -> Option:
    """An option that a fit sets itself, with the values that say the same."""
    return Option(takes=lambda value: any(value is one or value == one for one in same), otherwise=otherwise,
                  passed=False)  # fmt: skip


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_ONE_DEVICE = (
    "one fit trains on one device, the backbone's: its batches, random views and state to go on from are those of one "
    "process, so that numbers don't follow from the machine. Several fits run at once in a sweep, each on a GPU of its "
    "own: -m hydra/launcher=joblib"
)
_EPOCHS = "epochs belong to the learner (learner.optim.epochs): its schedule depends on them"
_LENGTH = "a stage's length belongs to the learner (learner.optim.epochs, learner.optim.steps)"
_NO_VALIDATION = "Lightning validates nothing here: select=val compares epochs on the images that val=few or full draws"
_NOT_TESTED = "Lightning tests and predicts nothing here: every test image is scored once, after the fit"
_SWITCH = "true or false is needed"

OPTIONS: Mapping[str, Option] = {
    # what changes numbers, and is handed on
    "precision": Option(
        takes=lambda value: value in _PRECISIONS,
        otherwise="32-true, bf16-mixed or, on a GPU, 16-mixed is needed: learned vectors stay fp32; backbone.precision "
        "is the backbone's",
    ),
    "max_steps": Option(
        takes=lambda value: _whole(value) and (value == -1 or value >= 1),
        otherwise="a number of steps from 1 is needed, or -1 for no limit",
    ),
    "max_time": Option(
        takes=_duration,
        otherwise="a time above zero for each stage, as DD:HH:MM:SS, is needed",
    ),
    "limit_train_batches": Option(
        takes=_share, otherwise="a number of batches from 1, or a share of them above 0.0 and up to 1.0, is needed"
    ),
    "accumulate_grad_batches": Option(
        takes=lambda value: _whole(value) and value >= 1, otherwise="a number of batches from 1 is needed"
    ),
    "gradient_clip_val": Option(
        takes=lambda value: _number(value) and value >= 0, otherwise="a finite number from 0 is needed; 0 clips nothing"
    ),
    "gradient_clip_algorithm": Option(
        takes=lambda value: value in ("norm", "value"), otherwise="allowed are norm and value"
    ),
    "deterministic": Option(
        takes=lambda value: _boolean(value) or value == "warn", otherwise="true, false or warn is needed"
    ),
    "benchmark": Option(takes=_boolean, otherwise=_SWITCH),
    "detect_anomaly": Option(takes=_boolean, otherwise=_SWITCH),
    # what changes nothing but what is shown
    "enable_progress_bar": Option(takes=_boolean, otherwise=_SWITCH, shown=True),
    "enable_model_summary": Option(
        takes=_boolean, otherwise=_SWITCH, shown=True, in_run="the Result lists what is learned (trained_parameters)"
    ),
    "logger": Option(
        takes=lambda value: _boolean(value) or _one_or_several(value, "log_metrics"),
        otherwise="a logger of lightning.pytorch.loggers, or a list of them, is needed",
        shown=True,
        in_run="a logger is chosen with logger=csv, or logger._target_=... for one of lightning.pytorch.loggers",
    ),
    "log_every_n_steps": Option(
        takes=lambda value: _whole(value) and value >= 0,
        otherwise="a number of steps from 0 is needed",
        shown=True,
        in_run="loggers get the learning curve, a point per epoch",
    ),
    "default_root_dir": Option(
        takes=_path, otherwise="a folder is needed", shown=True, in_run="results=FOLDER says where results go"
    ),
    "profiler": Option(
        takes=_profiler,
        otherwise="a profiler that writes a file is needed: SimpleProfiler(dirpath=..., filename=...) of "
        "lightning.pytorch.profilers",
        shown=True,
        in_run="profilers are objects: give one to promptlab.fit(..., trainer={'profiler': ...}) in Python; promptlab "
        "bench measures steps",
    ),
    "callbacks": Option(
        takes=lambda value: _one_or_several(value, "on_exception"),
        otherwise="a callback of lightning.pytorch.callbacks, or a list of them, is needed",
        in_run="callbacks are objects: give them to promptlab.fit(..., trainer={'callbacks': [...]}) in Python",
    ),
    # where it trains is the backbone's affair
    "accelerator": _fixed("see check_options", "auto"),
    "devices": _fixed(_ONE_DEVICE, 1, "1", "auto"),
    "num_nodes": _fixed(_ONE_DEVICE, 1),
    "strategy": _fixed(_ONE_DEVICE, "auto"),
    "plugins": _fixed(f"plugins of Lightning's are for many devices and other precisions; {_ONE_DEVICE}", []),
    "sync_batchnorm": _fixed(_ONE_DEVICE, False),
    "use_distributed_sampler": _fixed(_ONE_DEVICE, True),
    # how long it trains is the learner's
    "max_epochs": _fixed(_EPOCHS),
    "min_epochs": _fixed(_EPOCHS),
    "min_steps": _fixed(_LENGTH),
    "fast_dev_run": _fixed("for a quick try, give shots=1 views=0 and a small learner.optim.epochs", False),
    # which batches it sees follows from seed, stage and epoch
    "overfit_batches": _fixed(
        "batches are drawn anew in every epoch: draw fewer images (shots=1), or limit_train_batches", 0
    ),
    "reload_dataloaders_every_n_epochs": _fixed("every epoch has batches of its own already", 0),
    # Lightning's loops for validation, test and prediction don't run
    "limit_val_batches": _fixed(_NO_VALIDATION, 1.0),
    "val_check_interval": _fixed(_NO_VALIDATION, 1.0),
    "check_val_every_n_epoch": _fixed(_NO_VALIDATION, 1),
    "num_sanity_val_steps": _fixed(_NO_VALIDATION, 0),
    "limit_test_batches": _fixed(_NOT_TESTED, 1.0),
    "limit_predict_batches": _fixed(_NOT_TESTED, 1.0),
    "inference_mode": _fixed(_NOT_TESTED, True),
    # what a run keeps and writes is its own
    "enable_checkpointing": _fixed(
        "a fit keeps its own state, at most one in ckpt_every_s seconds, and is gone on with by itself", False
    ),
    "barebones": _fixed("nothing of what it switches off is on; enable_progress_bar=false hides the bar", False),
    "enable_autolog_hparams": _fixed("the Result and the card hold all hyper-parameters", True, False),
    "model_registry": _fixed("learners are saved by promptlab.save_learner"),
}
"""Every option of ``lightning.Trainer``, in groups."""

"""``promptlab [run]``: compose the configuration, name every mistake in it, then run or sweep under Hydra."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.logging import RichHandler

from promptlab.config.build import suggest
from promptlab.config.schema import OPEN_GROUPS, Config, ConfigError, DataConfig
from promptlab.jobs.sweep import SweepTable
from promptlab.support.paths import conf_dir

VALUE_FLAGS = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--cfg", "-c", "--package", "-p")

EXPECTED = (ValueError, FloatingPointError, MemoryError, OSError)
"""What a run raises with a message for its user; anything else is a defect and shows its traceback."""


def is_expected(error: Exception) -> bool:
    """Whether an error carries a message for the user."""
    named = type(error).__module__.startswith("promptlab.") or type(error).__name__ == "OutOfMemoryError"
    return named or isinstance(error, EXPECTED)


def launch(arguments: Sequence[str]) -> int:
    """Run an experiment or a sweep.

    Returns:
        The exit status: 0, 1 for a failed run, 2 for a configuration that can't be run.
    """
    _log_to_console()
    flags, overrides = split_flags(arguments)
    overrides = [_open(override) for override in overrides]
    sweeps = any(flag in ("-m", "--multirun") for flag in flags)
    try:
        if not any(flag.startswith(("--cfg", "-c", "--info", "-i", "--hydra-help")) for flag in flags):
            _preflight(flags, overrides, sweeps)
    except ConfigError as error:
        sys.stderr.write(f"promptlab: {error}\n")
        return 2
    return _under_hydra([*flags, *overrides])


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags (with their values) and overrides apart, so that ``-m`` may stand anywhere."""
    flags, overrides = [], []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        flags.append(argument)
        if argument in VALUE_FLAGS:
            flags += [value for value in [next(rest, None)] if value is not None]
    return flags, overrides


def _open(override: str) -> str:
    """Let an override add a key to an open group: its target's signature decides, not its YAML file.

    ``inner`` is short for the learner inside another: ``inner=NAME`` for the choice, ``inner.KEY`` for its keys.
    """
    bare = override.lstrip("+")
    if bare.startswith("inner="):
        return f"learner@learner.{bare}"
    bare = f"learner.{bare}" if bare.startswith("inner.") else bare
    return f"++{bare}" if bare.startswith(tuple(f"{group}." for group in OPEN_GROUPS)) else override


def _preflight(flags: Sequence[str], overrides: Sequence[str], sweeps: bool) -> None:
    """Compose and check every choice before anything is loaded.

    Raises:
        ConfigError: naming the key, what is wrong, and what is allowed.
    """
    from promptlab.config.check import check_config

    folders = [flags[i + 1] for i, flag in enumerate(flags[:-1]) if flag in ("--config-dir", "-cd")]
    folders += [flag.split("=", 1)[1] for flag in flags if flag.startswith("--config-dir=")]
    search = [f"hydra.searchpath=[{','.join(f'file://{Path(folder).absolute()}' for folder in folders)}]"]
    for choice in _choices(overrides, sweeps):
        cfg = composed([*choice, *(search if folders else [])])
        if sweeps and cfg.trainer.get("devices", 1) != 1:
            raise ConfigError("trainer.devices must be 1 in a sweep (-m): run several jobs at once instead, "
                              "with hydra/launcher=joblib")  # fmt: skip
        check_config(cfg, [Path(folder) for folder in folders])


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration with these overrides.

    Raises:
        ConfigError: if it can't be composed.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            return compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error)) from error


def _choices(overrides: Sequence[str], sweeps: bool) -> Iterator[list[str]]:
    """Override lists that together hold every value of a sweep, one sweep at a time with the first of the others."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(f"{str(error).splitlines()[0]}: an override is KEY=VALUE") from error
    try:
        lists = [_values(override) if sweeps else [override.input_line or ""] for override in parsed]
    except HydraException as error:
        raise ConfigError("a sweep over glob() can't be checked beforehand: give its values as a,b,c") from error
    if not sweeps and any(override.is_sweep_override() for override in parsed):
        named = next(override.key_or_group for override in parsed if override.is_sweep_override())
        raise ConfigError(f"{named} has several values: add -m for a sweep")
    first = [values[0] for values in lists]
    yield first
    for place, values in enumerate(lists):
        for value in values[1:]:
            yield [*first[:place], value, *first[place + 1 :]]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.input_line.split("=", 1)[0] if override.input_line else override.key_or_group
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _explain(error: Exception) -> str:
    """One line of what Hydra and OmegaConf say, with what is allowed."""
    text = f"{error}\n{error.__cause__ or ''}"
    group = re.search(r"Could not find '([^'/]+)/([^']+)'", text)
    if group:
        options = re.search(r"Available options in '[^']+':\s*(.*?)(?:\n\s*Config search path|$)", text, re.DOTALL)
        allowed = options.group(1).split() if options else []
        name, choice = group.groups()
        return f"unknown {name} {choice}{suggest(choice, allowed)}; allowed are {', '.join(allowed)}"
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown and unknown.group(1).startswith("learner@learner.inner"):
        return "inner=NAME chooses the learner inside another: it needs learner=ship"
    if unknown:
        key = unknown.group(1)
        parent, _, leaf = key.rpartition(".")
        schema = DataConfig if parent == "data" else Config
        allowed = list(schema.__dataclass_fields__)
        return f"unknown key {key}{suggest(leaf, allowed)}; allowed are {', '.join(allowed)}"
    wrong = re.search(r"Value '([^']*)'.* could not be converted to (\w+)", text)
    if wrong:
        key = re.search(r"full_key: (\S+)", text)
        return f"{key.group(1) if key else 'a key'}={wrong.group(1)}: {wrong.group(2).lower()} is needed"
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _under_hydra(arguments: Sequence[str]) -> int:
    """Hand over to Hydra, and turn what a run raises into a message."""
    GlobalHydra.instance().clear()
    SweepTable.failed = 0
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["promptlab", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here whole instead of being printed
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_job)()
    except KeyboardInterrupt:
        sys.stderr.write("promptlab: interrupted\n")
        return 130
    except Exception as error:
        if not is_expected(error) or logging.getLogger("promptlab").isEnabledFor(logging.DEBUG):
            raise
        sys.stderr.write(f"promptlab: {error}\n(PROMPTLAB_LOG=debug shows where this was raised)\n")
        return 1
    finally:
        sys.argv = before[0]
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if before[1] is not None:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
    return 1 if SweepTable.failed else 0


def _job(cfg: DictConfig) -> str | None:
    """One run, under Hydra; its answer is the folder of its Result, None for a failed run of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from promptlab.report.table import run_table
    from promptlab.runs.run import run

    console = Console()
    sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        outcome = run(cfg)
    except Exception as error:
        if not sweep or not is_expected(error):
            raise
        console.print(f"{HydraConfig.get().job.num + 1:3d}  failed: {error}", soft_wrap=True, markup=False)
        return None
    state = "" if outcome.fresh else "finished already (force=true repeats it): "
    if sweep:
        job = HydraConfig.get().job
        console.print(f"{job.num + 1:3d}  {job.override_dirname}  {state}{outcome.folder}", soft_wrap=True)
        return str(outcome.folder.absolute())
    console.print(run_table(outcome.result))
    console.print(f"{state}result in {outcome.folder}", soft_wrap=True)
    console.print("next: promptlab -m seed=1,2,3 for an interval; promptlab list learners; promptlab --help")
    return str(outcome.folder.absolute())


def _log_to_console() -> None:
    logging.getLogger("hydra").addHandler(logging.NullHandler())  # what it reports as an error is raised as well
    logger = logging.getLogger("promptlab")
    if not logger.handlers:
        level = os.environ.get("PROMPTLAB_LOG", "WARNING").upper()
        logger.setLevel(level)
        logger.addHandler(RichHandler(console=Console(stderr=True), show_path=False, show_time=False))

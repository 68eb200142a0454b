"""Peak memory of one step, in a process of its own: ``python -m promptlab.bench.peak REQUEST`` prints bytes."""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from promptlab.bench.report import OURS, PLAIN, Figure
from promptlab.bench.settings import Settings
from promptlab.support.errors import PromptlabError

MIB = 2**20


class PeakError(PromptlabError, RuntimeError):
    """The peak memory of a step couldn't be measured; the message has the end of what its process said."""


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peaks(bench: str, case: int, settings: Settings, what: str) -> list[Figure]:
    """Peak of each side beyond the loaded model, and the ratio of the two.

    Args:
        bench: module of this package that has ``cases``.
        case: which of them.
        settings: passed on.
        what: the step's name.
    """
    used = {side: in_own_process(bench, case, side, settings)["beyond"] / MIB for side in (PLAIN, OURS)}
    figures = [Figure(f"{what}: peak memory beyond the model, {side}", used[side], "MiB") for side in used]
    return [*figures, Figure(f"{what}: times less memory", used[PLAIN] / used[OURS])]


def in_own_process(bench: str, case: int | None, side: str, settings: Settings, memory_mb: int | None = None) -> Any:
    """Bytes of one step: ``beyond`` the loaded model, and of the ``process``.

    Args:
        bench: module of this package.
        case: one of its ``cases``, or None for its ``step``.
        side: ``promptlab`` or ``plain``.
        settings: passed on.
        memory_mb: the text tower's budget; its default if None.

    Raises:
        PeakError: a RuntimeError, if the process failed; with the end of what it said.
    """
    request = {"bench": bench, "case": case, "side": side, "settings": asdict(settings), "memory_mb": memory_mb}
    command = [sys.executable, "-m", "promptlab.bench.peak", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PeakError(f"the memory of {bench}, {side}, couldn't be measured: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def peak_of(step: Callable[[], object], device: torch.device) -> dict[str, int]:
    """Bytes of one call: beyond what there was before, and altogether."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        peak = torch.cuda.max_memory_allocated(device)
        return {"beyond": peak - before, "process": peak}
    _return_free_memory()
    before = _now()
    step()
    peak = _status("VmHWM") if _STATUS.exists() else _maxrss()
    return {"beyond": peak - before, "process": peak}


def _now() -> int:
    """Memory in use; on Linux the peak is counted afresh from here."""
    if not _STATUS.exists():
        return _maxrss()
    try:
        _CLEAR.write_text("5")
    except OSError:  # not allowed in some containers: the peak of loading the model is then the floor
        return _status("VmHWM")
    return _status("VmRSS")


def _status(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def _maxrss() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _return_free_memory() -> None:
    """What loading freed must not serve the step uncounted (glibc alone keeps it)."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def main(request: str) -> None:
    """Measure what the request says, in this process."""
    from promptlab.clip.frozen import FrozenCLIP

    asked = json.loads(request)
    settings = Settings(**asked["settings"])
    bench = import_module(f"promptlab.bench.{asked['bench']}")
    clip = settings.load()
    if asked["memory_mb"] is not None:
        clip = FrozenCLIP(clip.model, clip.tokenizer, clip.preprocess, clip.name, text_memory_mb=asked["memory_mb"],
                          precision=clip.precision)  # fmt: skip
    if asked["case"] is None:
        step = bench.step(settings, clip)
    else:
        case = bench.cases(settings, clip, encoded=False)[asked["case"]]
        step = case.ours if asked["side"] == OURS else case.plain
    sys.stdout.write(json.dumps(peak_of(step, clip.device)))


if __name__ == "__main__":
    main(sys.argv[1])

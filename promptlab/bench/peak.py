"""Peak memory of one step, in a process of its own: ``python -m promptlab.bench.peak REQUEST`` prints bytes."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import Any

import torch

from promptlab.bench.report import OURS, PLAIN, Figure
from promptlab.bench.settings import Settings
from promptlab.support.errors import PromptlabError
from promptlab.support.machine import peak_memory_bytes, restart_peak, return_free_memory

MIB = 2**20


class PeakError(PromptlabError, RuntimeError):
    """The peak memory of a step couldn't be measured; the message has the end of what its process said."""


def peaks(bench: str, case: int, settings: Settings, what: str) -> list[Figure]:
    """Peak of each side beyond the loaded model, and the ratio of the two.

    Args:
        bench: the verb.
        case: which of them.
        settings: passed on.
        what: the step's name.
    """
    used = {side: in_own_process(bench, case, side, settings)["beyond"] / MIB for side in (PLAIN, OURS)}
    figures = [Figure(f"{what}: peak memory beyond the model, {side}", used[side], "MiB") for side in used]
    return [*figures, Figure(f"{what}: times less memory", used[PLAIN] / used[OURS])]


def in_own_process(bench: str, case: int | None, side: str, settings: Settings) -> Any:
    """Bytes of one step: ``beyond`` the loaded model, and of the ``process``.

    Args:
        bench: the verb.
        case: one of its ``cases``, or None for its ``step``.
        side: ``promptlab`` or ``plain``.
        settings: passed on.

    Raises:
        PeakError: a RuntimeError, if the process failed; with the end of what it said.
    """
    request = {"bench": bench, "case": case, "side": side, "settings": asdict(settings)}
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
    return_free_memory()  # what loading freed must not serve the step uncounted
    before = restart_peak()
    step()
    peak = peak_memory_bytes()
    return {"beyond": peak - before, "process": peak}


def main(request: str) -> None:
    """Measure what the request says, in this process."""
    from promptlab.bench.every import BENCHES

    asked = json.loads(request)
    settings = Settings(**asked["settings"])
    clip = settings.load()
    if asked["case"] is None:
        step = import_module(f"promptlab.bench.{asked['bench']}").step(settings, clip)
    else:
        case = BENCHES[asked["bench"]](settings, clip, encoded=False)[asked["case"]]
        step = case.ours if asked["side"] == OURS else case.plain
    sys.stdout.write(json.dumps(peak_of(step, clip.device)))


if __name__ == "__main__":
    main(sys.argv[1])

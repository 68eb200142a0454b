"""What a run works on and where, said before it works; in a sweep once for each dataset and process."""

from __future__ import annotations

from promptlab.clip.frozen import FrozenCLIP
from promptlab.config.choice import Choice
from promptlab.data.summary import summary
from promptlab.runs.parts import Parts
from promptlab.support.console import say
from promptlab.support.devices import device_text, multiplies_bf16_faster

LARGE = 50_000_000
"""Parameters from which on a backbone's own time is what a run takes."""
BF16 = (
    "hint: backbone.precision=bf16 encodes images at least twice as fast on this device; what it cost in accuracy, "
    "where that was measured: experiments/precision"
)
_said: set[str] = set()
_hinted: set[str] = set()


def show(parts: Parts, *, job: int | None = None) -> None:
    """Print the backbone of a run with its device, and its datasets, to standard error.

    Args:
        parts: of the run.
        job: the run's number in a sweep, from 0; None for a run alone.
    """
    clip = parts.clip
    where = f"backbone {clip.name} on {device_text(clip.device)}, {clip.precision}"
    text = "\n".join([where, *summary(parts.dataset, parts.targets, notes=False)])
    if not job:
        _said.clear()
    if text not in _said:
        say(text, stderr=True)
    if BF16 not in _hinted and _gains_by_bf16(clip, parts.settings.backbone):
        say(BF16, stderr=True)
        _hinted.add(BF16)
    _said.add(text)


def _gains_by_bf16(clip: FrozenCLIP, choice: Choice) -> bool:
    """Whether a backbone that its configuration leaves at fp32 could be had in bf16, and that would be felt."""
    arguments = choice.arguments
    if arguments.get("precision") != "fp32" or str(arguments.get("name")).startswith("transformers:"):
        return False
    return multiplies_bf16_faster(clip.device) and sum(one.numel() for one in clip.model.parameters()) >= LARGE

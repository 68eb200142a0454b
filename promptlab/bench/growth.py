"""ImageNet's size: CoOp's step with many classes against 100, with and without recomputing, and its memory."""

from __future__ import annotations

import statistics
from dataclasses import replace
from math import ceil

import torch

from promptlab.bench.coop import step
from promptlab.bench.equal import require_equal
from promptlab.bench.flops import require_causal
from promptlab.bench.peak import MIB, in_own_process
from promptlab.bench.report import OURS, Figure
from promptlab.bench.settings import Settings
from promptlab.bench.timing import interleave
from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.text import memory
from promptlab.prompts.class_prompts import ClassPrompts

PARTS = 6
"""Into about how many chunks the recomputing side is cut."""


def growth(settings: Settings, clip: FrozenCLIP, many: int) -> list[Figure]:
    """Time per class at ``many`` classes against that at ``settings.classes``, and the process's memory.

    Args:
        settings: M, B, and the classes to compare with.
        clip: the backbone.
        many: C of the large step.

    Raises:
        DifferenceError: if the chunked step's results aren't those of the whole one.
    """
    large = replace(settings, classes=many)
    budget = _budget(large, clip)
    cut = FrozenCLIP(
        clip.model, clip.tokenizer, clip.preprocess, clip.name, text_memory_mb=budget, precision=clip.precision
    )
    steps = {"few": step(settings, clip), "whole": step(large, clip), "recomputed": step(large, cut)}
    require_equal(f"{many} classes in chunks", steps["recomputed"](), steps["whole"](), settings.precision)
    seconds = {
        name: statistics.median(times)
        for name, times in interleave(steps, settings.rounds, device=clip.device).items()
    }  # fmt: skip
    few = seconds["few"] / settings.classes
    figures = [
        Figure(f"training step, {many:,} classes", seconds["whole"], "s", "nothing recomputed"),
        Figure(
            f"time per class, {many:,} against {settings.classes}", seconds["whole"] / many / few, "",
            "nothing recomputed",
        ),
        Figure(
            f"time per class, {many:,} against {settings.classes}", seconds["recomputed"] / many / few, "",
            f"recomputed in the backward pass, text_memory_mb={budget}",
        ),
    ]  # fmt: skip
    if settings.memory:
        whole = in_own_process("coop", None, OURS, large)["process"] / MIB
        figures.append(Figure(f"training step, {many:,} classes: the whole process", whole, "MiB"))
    return figures


def _budget(settings: Settings, clip: FrozenCLIP) -> int:
    """MiB that hold one of ``PARTS`` of what the step's tails keep for the backward pass, besides the prefix."""
    tower = require_causal(clip.text_tower)
    context = torch.zeros(settings.n_ctx, clip.width, device=clip.device)
    blocks = ClassPrompts(clip, settings.names(), n_ctx=settings.n_ctx)(context)[2].blocks
    tails = sum(b.pairs * memory.pair_bytes(tower, b.prefix_length, b.tail_length, True) for b in blocks)
    prefix = memory.prefix_bytes(tower, 1 + settings.n_ctx, True)
    return ceil(max(tails / PARTS + prefix, prefix / memory.PREFIX_SHARE) / MIB)

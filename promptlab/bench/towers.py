"""The frozen towers in fp32 and bf16: images a second against the bare model's, CoOp's text side, their products.

A figure is made of the fastest call of each side, all sides in turn: what else a machine does only ever adds time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import torch
from torch import Tensor

from promptlab.bench import coop
from promptlab.bench.equal import require_equal
from promptlab.bench.plain import PlainCLIP
from promptlab.bench.products import products_alone
from promptlab.bench.recorded import record
from promptlab.bench.report import Figure, Report
from promptlab.bench.settings import Settings, inputs
from promptlab.bench.timing import interleave
from promptlab.clip.precision import Precision

Steps = dict[str, Callable[[], object]]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def run(settings: Settings) -> Report:
    """Time B images and the text side of C classes in both precisions.

    Raises:
        DifferenceError: if the image tower's features aren't open_clip's.
    """
    steps: Steps = {}
    rate_of_text: dict[str, float] = {}
    for precision in PRECISIONS:
        own = replace(settings, precision=precision)
        steps |= _images(own)
        text, rate_of_text[precision] = _text(own)
        steps |= text
    times = interleave(steps, settings.rounds, device=settings.device)
    best = {name: min(seconds) for name, seconds in times.items()}
    asked = asdict(settings)
    del asked["precision"], asked["memory"]
    return Report("towers", asked, figures=[*_of_images(best, settings.batch), *_of_text(best, rate_of_text)])


def _images(settings: Settings) -> Steps:
    clip = settings.load()
    plain, images = PlainCLIP(clip), inputs(settings, clip, encoded=False).images

    def ours() -> Tensor:
        with torch.inference_mode():
            return clip.encode_images(images)

    def bare() -> Tensor:
        with torch.inference_mode():
            return plain.encode_images(images)

    require_equal("image encoding", {"features": ours()}, {"features": bare()}, settings.precision)
    alone = products_alone(record(ours, clip).products)
    name = settings.precision
    return {f"images {name}": ours, f"bare {name}": bare, f"image products {name}": alone}


def _text(settings: Settings) -> tuple[Steps, float]:
    """The steps, and all useful operations over those of the products."""
    case = coop.cases(settings, settings.load(), encoded=False)[0]
    assert case.work is not None
    name = settings.precision
    steps: Steps = {f"text {name}": case.ours, f"text products {name}": products_alone(case.work.products)}
    return steps, case.work.flop / case.work.product_flop


def _of_images(best: dict[str, float], count: int) -> list[Figure]:
    figures = []
    for name in PRECISIONS:
        figures += [
            Figure(f"bare model, {name}", count / best[f"bare {name}"], "images/s"),
            Figure(f"image tower, {name}", count / best[f"images {name}"], "images/s"),
            Figure(f"image tower, {name}, times the bare model", best[f"bare {name}"] / best[f"images {name}"]),
            Figure(f"its products alone, {name}", count / best[f"image products {name}"], "images/s"),
        ]
    return [
        *figures,
        Figure("image tower, bf16, times the bare model in fp32", best["bare fp32"] / best["images bf16"]),
    ]


def _of_text(best: dict[str, float], rate: dict[str, float]) -> list[Figure]:
    figures = []
    for name in PRECISIONS:
        share = rate[name] * best[f"text products {name}"] / best[f"text {name}"]
        figures += [
            Figure(f"CoOp's text side, {name}", best[f"text {name}"], "s", "forward and backward"),
            Figure(f"share of its products' rate, {name}", share),
        ]
    return [*figures, Figure("CoOp's text side, bf16, times fp32", best["text fp32"] / best["text bf16"])]

"""What Lightning's loop costs: ``fit`` against a bare loop over the same steps."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from promptlab.bench.equal import require_equal
from promptlab.bench.report import Figure
from promptlab.bench.timing import interleave, line
from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.data.sources.features import FeatureRows
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import GradientStage
from promptlab.learners.coop import CoOp
from promptlab.training.fit import fit
from promptlab.training.loaders import FeatureLoader

STEPS = 12
"""Steps of an epoch: as many as 16 shots of 24 classes give at batch 32."""


def per_step(
    clip: FrozenCLIP, names: Sequence[str], folder: Path, *, batch: int, epochs: tuple[int, int], rounds: int
) -> list[Figure]:
    """Milliseconds of a step and of a whole fit beyond the bare loop; two lengths tell them apart.

    Args:
        clip: the backbone.
        names: of the classes.
        folder: for the feature bank.
        batch: B.
        epochs: a short and a long fit.
        rounds: how often all are timed, in turn.

    Raises:
        DifferenceError: if both loops don't end with the same context.
    """
    items = _items(clip, len(names), STEPS * batch)
    bank = FeatureBank(folder / "bank.sqlite")

    def learner(length: int) -> CoOp:
        return CoOp(clip, names, ctx_init="a photo of a", optim=Optim(epochs=length, batch_size=batch))

    def with_lightning(length: int) -> CoOp:
        made = learner(length)
        fit(made, items, bank=bank, views=0, trainer={"enable_progress_bar": False})
        return made

    def bare(length: int) -> CoOp:
        made = learner(length)
        bare_loop(made, items)
        return made

    contexts = [{"features": made(epochs[0]).ctx} for made in (with_lightning, bare)]
    require_equal("training loop", contexts[0], contexts[1])
    loops = {"with Lightning": with_lightning, "bare": bare}
    steps = {f"{name} {length}": partial(loop, length) for length in epochs for name, loop in loops.items()}
    seconds = {name: statistics.median(times) for name, times in interleave(steps, rounds).items()}
    counts = [length * STEPS for length in epochs]
    extra = [seconds[f"with Lightning {length}"] - seconds[f"bare {length}"] for length in epochs]
    once, each = line(counts, extra)
    step = line(counts, [seconds[f"bare {length}"] for length in epochs])[1]
    return [
        Figure(f"bare step, batch {batch}", 1e3 * step, "ms"),
        Figure("Lightning's loop beyond the bare one", 1e3 * each, "ms a step", "training accuracy and curve included"),
        Figure("and once a fit", 1e3 * once, "ms"),
    ]


def bare_loop(learner: CoOp, items: Items) -> None:
    """The learner's gradient stage without Lightning."""
    (stage,) = learner.fit_plan()
    assert isinstance(stage, GradientStage)
    assert isinstance(items.source, FeatureRows)
    optim, optimiser = stage.optim, stage.optim.build(stage.parameters)
    features = items.source.take(items.indices, dim=learner.clip.dim).to(learner.clip.device)
    labels = torch.from_numpy(items.labels).to(learner.clip.device)
    loader = FeatureLoader(features, labels, batch_size=optim.batch_size, seed=1, stage=stage.name)
    steps = len(loader)
    for epoch in range(optim.epochs):
        loader.set_epoch(epoch)
        for step, batch in enumerate(loader):
            for group in optimiser.param_groups:
                group["lr"] = optim.lr_at(epoch, step, steps)
            optimiser.zero_grad()
            loss = stage.loss(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _items(clip: FrozenCLIP, classes: int, count: int) -> Items:
    """Random features as a user's own."""
    features = torch.nn.functional.normalize(
        torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    return Items(FeatureRows(features.numpy(), "noise"), np.arange(count), np.arange(count) % classes)

"""Training that survives: a fit's state, written at the ends of epochs, from which the same fit goes on.

The file is Lightning's checkpoint of the stage that runs (learned tensors, optimiser, epoch) with the learning curve so
far. Random streams and learning rates are functions of seed, stage and epoch, so nothing else is needed for equal bits.
It is private to one fit and deleted when that is done. It carries a checksum; one that is damaged, or that the fit
can't go on from, is kept under another name, and the fit starts again.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Stage
from promptlab.results.schema import EpochRecord
from promptlab.support.archives import check_archive
from promptlab.support.checksums import DamageError
from promptlab.support.files import set_aside
from promptlab.training.identity import Identity
from promptlab.training.misfit import misfit

if TYPE_CHECKING:  # what no gradient trains goes without Lightning, which takes seconds to import
    import lightning

log = logging.getLogger(__name__)
KEY = "promptlab"
"""Where this file's own part is in Lightning's checkpoint."""


@dataclass
class Progress:
    """How far a fit is.

    Args:
        stage: index of the stage that runs.
        curve: records of all epochs so far.
        kept: of the stages done, the epoch that was chosen on validation images, or None.
        seconds: spent by interrupted runs of the same fit.
        cut_short: in words, each stage that the trainer's options ended early.
    """

    stage: int = 0
    curve: list[EpochRecord] = field(default_factory=list)
    kept: list[int | None] = field(default_factory=list)
    seconds: float = 0.0
    cut_short: list[str] = field(default_factory=list)


class Resume:
    """Keeps a fit's state in a file, at most every so many seconds.

    Args:
        path: the file; None keeps nothing.
        every_s: seconds between two writes; shorter fits start again.
        identity: what the fit is; a state of another fit is not taken.
    """

    def __init__(self, path: Path | None, every_s: float, identity: Identity) -> None:
        self.path, self.every_s, self.identity = path, every_s, identity
        self.progress = Progress()
        self.tensors: Mapping[str, torch.Tensor] | None = None
        self._started = self._written = time.monotonic()

    def take_up(self, learner: PromptLearner, plan: Sequence[Stage]) -> None:
        """Read the file, if it is of this fit; what can't be gone on from is kept under another name.

        Args:
            learner: before its fit; parts that a closed form filled get the shapes that they had.
            plan: its stages.
        """
        if self.path is None or not self.path.exists():
            return
        try:
            self._read(self.path, learner, plan)
        except Exception as error:  # a torn or foreign file: torch raises many kinds
            self.progress, self.tensors = Progress(), None
            set_aside(self.path, error, "the fit starts again")
            return
        if self.tensors is not None:
            learner.take_shapes({name.removeprefix("learner."): saved for name, saved in self.tensors.items()})

    def take(self) -> Path | None:
        """The file, for the stage that goes on from it; None for every later one."""
        found, self.tensors = self.tensors is not None, None
        return self.path if found else None

    def keep(self, trainer: lightning.Trainer) -> None:
        """Write the state if it is time; called at the end of an epoch."""
        if self.path is None or time.monotonic() - self._written < self.every_s:
            return
        from promptlab.training.whole_files import WholeFiles

        trainer.strategy.checkpoint_io = WholeFiles()
        trainer.save_checkpoint(self.path, weights_only=False)
        self._written = time.monotonic()

    def note(self, stage_curve: list[EpochRecord]) -> dict[str, Any]:
        """This file's own part of a checkpoint, as plain values."""
        progress = asdict(self.progress)
        progress["curve"] += [asdict(record) for record in stage_curve]
        progress["seconds"] += time.monotonic() - self._started
        return {**self.identity.noted(), "sealed": True, "progress": progress}

    def done(self) -> None:
        """Delete the file: the fit is finished."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def explain_interrupt(self) -> None:
        """Tell where the same fit will go on."""
        if self.path is not None and self.path.exists():
            log.warning("the same fit goes on from its last checkpoint, %s", self.path)

    def _read(self, path: Path, learner: PromptLearner, plan: Sequence[Stage]) -> None:
        data = path.read_bytes()
        sealed = check_archive(data)
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        own = state[KEY]
        if own.get("sealed") and not sealed:
            raise DamageError("it was changed after it was written")
        if not self.identity.owns(own, state["state_dict"]):
            log.warning("%s belongs to another fit and is not used", path)
            return
        if (problem := misfit(state, own, learner, plan)) is not None:
            raise DamageError(problem)
        curve = [EpochRecord(**record) for record in own["progress"].pop("curve")]
        self.progress = Progress(curve=curve, **own["progress"])
        self.tensors = state["state_dict"]

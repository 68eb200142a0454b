"""The Lightning side: one module that runs one gradient stage of any learner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Batch, GradientStage
from promptlab.results.schema import EpochRecord
from promptlab.training.average import EpochAverage, copy_values
from promptlab.training.comparison import Comparison
from promptlab.training.curve_log import CurveLog
from promptlab.training.loaders import EpochLoader
from promptlab.training.resume import KEY, Resume


class StageModule(lightning.LightningModule):
    """Runs one gradient stage; only the learner's own parameters are registered.

    Args:
        learner: what is trained.
        stage: its gradient stage.
        loader: the batches.
        resume: keeps the state at the ends of epochs.
        curve_log: hands the curve to the trainer's loggers.
        encode: turns a batch's images into what the learner needs; None where the batches hold that already.
        comparison: asked after each epoch; the parameters of the best one are kept.

    Attributes:
        curve: a record per epoch so far.
        best_epoch: the one that was chosen so far, or None.
        steps: after how many steps to end; None leaves that to the epochs.
    """

    def __init__(
        self,
        learner: PromptLearner,
        stage: GradientStage,
        loader: EpochLoader,
        resume: Resume,
        curve_log: CurveLog,
        *,
        encode: Callable[[Tensor], Tensor] | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        super().__init__()
        self.learner = learner
        self.curve: list[EpochRecord] = []
        self.best_epoch: int | None = None
        self.steps: int | None = None
        self.loader = loader
        self._stage, self._resume, self._encode, self._comparison = stage, resume, encode, comparison
        self._curve_log = curve_log
        self._groups = stage.all_groups()
        self._counted = list(learner.buffers())
        self._best_buffers: list[Tensor] = []  # a batch norm's statistics are of their epoch
        self._average = EpochAverage(stage.parameters, stage.epoch_weights) if stage.epoch_weights else None
        self._best: tuple[float, list[Tensor]] | None = None
        self._batch: Batch | None = None
        self._taken = 0
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._logits: Tensor | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The stage's optimiser over the stage's parameters."""
        return self._stage.optim.build_groups(self._groups)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See the learner's logits go by, for the training accuracy."""
        learners = [module for module in self.learner.modules() if isinstance(module, PromptLearner)]
        watches = [learner.register_forward_hook(self._remember) for learner in learners]
        try:
            yield
        finally:
            for watch in watches:
                watch.remove()

    def on_train_start(self) -> None:
        """End at once if an interrupted fit had taken its last step."""
        self._write_curve()
        self._stop_if_done()

    def on_train_epoch_start(self) -> None:
        """Set the epoch's random streams, functions of the epoch alone."""
        self.loader.set_epoch(self.current_epoch)
        self._losses, self._hits = [], []
        self._taken = self.trainer.global_step

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rates, functions of epoch and step alone."""
        for group, own in zip(self._optimiser.param_groups, self._groups, strict=True):
            group["lr"] = self._lr_at(batch_idx, own.lr_factor)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The learner's loss; nothing here waits for the device."""
        if self._encode is not None:
            others = None if batch.unlabelled is None else self._encode(batch.unlabelled)
            batch = batch._replace(inputs=self._encode(batch.inputs), unlabelled=others)
        self._logits, self._batch = None, batch
        loss = self._stage.loss(batch)
        self._losses.append(loss.detach())
        if self._logits is not None and len(self._logits) >= len(batch.labels):  # synthetic rows may follow
            predicted = self._logits[: len(batch.labels)].argmax(-1)
            self._hits.append((predicted == batch.labels).float().mean())
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the stage change the gradients, which are whole and unscaled here."""
        if self._stage.after_backward is not None:
            assert self._batch is not None
            with torch.enable_grad(), self.trainer.precision_plugin.forward_context():
                self._stage.after_backward(self._batch)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """End after the last step, in the middle of an epoch if need be."""
        self._stop_if_done()

    def on_train_epoch_end(self) -> None:
        """Write the epoch's point of the learning curve; stop if the loss or a parameter is no number any more.

        Raises:
            FloatingPointError: for NaN or infinity, with the epoch, the step, the learning rate and what to try.
        """
        losses = torch.stack(self._losses)
        if not losses.isfinite().all():
            step = int((~losses.isfinite()).nonzero()[0])
            raise self._diverged(f"the loss is {float(losses[step])}", step)
        if not all(parameter.isfinite().all() for parameter in self._stage.parameters):  # by the last step of all
            raise self._diverged("a learned value is NaN or infinite", len(losses) - 1)
        accuracy = float(torch.stack(self._hits).mean()) if self._hits else None
        if self._average:
            self._average.add(self.current_epoch)
        with self._average.in_place() if self._average else nullcontext():
            compared = self._compare()
        self.curve.append(
            EpochRecord(
                stage=self._stage.name,
                epoch=self.current_epoch,
                loss=float(losses.mean()),
                accuracy=accuracy,
                learning_rate=self._lr_at(0),
                **compared,
            )
        )
        self._write_curve()
        self._resume.keep(self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the curve so far and the best epoch's parameters to Lightning's state."""
        own = {"best": self._best, "best_buffers": self._best_buffers, "best_epoch": self.best_epoch}
        average = {"average": self._average.state()} if self._average else {}
        checkpoint[KEY] = {**self._resume.note(self.curve), **own, **average}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what :meth:`on_save_checkpoint` added; the curve is with the fit's progress."""
        best, self.best_epoch = checkpoint[KEY]["best"], checkpoint[KEY]["best_epoch"]
        if best is not None:
            device = self.learner.clip.device
            self._best = (best[0], [parameter.to(device) for parameter in best[1]])
            self._best_buffers = [buffer.to(device) for buffer in checkpoint[KEY].get("best_buffers", ())]
        if self._average:
            self._average.take(checkpoint[KEY]["average"])

    def on_fit_end(self) -> None:
        """Go back to the best epoch's parameters, if one was chosen; else put the epochs' mean in place, if wanted."""
        if self._best is not None:
            copy_values(self._best[1], self._stage.parameters)
            copy_values(self._best_buffers, self._counted[: len(self._best_buffers)])  # earlier states hold none
        elif self._average:
            self._average.put()

    def _compare(self) -> dict[str, float]:
        """What the parameters as they are compare by, kept if they are the best so far."""
        if self._comparison is None:
            return {}
        number = self._comparison.of()
        self.learner.train()
        score = self._comparison.score(number)
        if self._best is None or score > self._best[0]:
            self._best = (score, [parameter.detach().clone() for parameter in self._stage.parameters])
            self._best_buffers = [buffer.clone() for buffer in self._counted]
            self.best_epoch = self.current_epoch
        return {self._comparison.field: number}

    def _write_curve(self) -> None:
        self._curve_log.write(self.trainer.loggers, [*self._resume.progress.curve, *self.curve])

    def _stop_if_done(self) -> None:
        if self.steps is not None and self.trainer.global_step >= self.steps:
            self.trainer.should_stop = True

    def _diverged(self, what: str, step: int) -> FloatingPointError:
        return FloatingPointError(
            f"{self._stage.name}: {what} in epoch {self.current_epoch}, step {step}, at learning rate "
            f"{self._lr_at(step):g}; try a smaller lr of this stage (in most learners learner.optim.lr), or "
            "backbone.precision=fp32"
        )

    def _lr_at(self, step: int, factor: float = 1.0) -> float:
        """Learning rate in a step of the current epoch, which after an accumulation of gradients is one in several."""
        optim = self._stage.optim
        if optim.steps is None:
            return optim.lr_at(self.current_epoch, step, len(self.loader), factor=factor)
        return optim.lr_after(self._taken + step // self.trainer.accumulate_grad_batches, factor=factor)

    @property
    def _optimiser(self) -> torch.optim.Optimizer:
        return self.trainer.optimizers[0]

    def _remember(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._logits = output.detach() if isinstance(output, Tensor) and output.ndim == 2 else None

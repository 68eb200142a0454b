"""The Lightning side: one module that runs one gradient stage of any learner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import Batch, GradientStage
from promptlab.results.schema import EpochRecord
from promptlab.training.loaders import EpochLoader
from promptlab.training.resume import KEY, Resume


class StageModule(lightning.LightningModule):
    """Runs one gradient stage; only the learner's own parameters are registered.

    Args:
        learner: what is trained.
        stage: its gradient stage.
        loader: the batches.
        resume: keeps the state at the ends of epochs.
        encode: turns a batch's images into what the learner needs; None where the batches hold that already.
        score: on validation images, asked after each epoch; the parameters of the epoch with the largest are kept.
    """

    def __init__(
        self,
        learner: PromptLearner,
        stage: GradientStage,
        loader: EpochLoader,
        resume: Resume,
        *,
        encode: Callable[[Tensor], Tensor] | None = None,
        score: Callable[[], float] | None = None,
    ) -> None:
        super().__init__()
        self.learner = learner
        self.curve: list[EpochRecord] = []
        self.best_epoch: int | None = None
        self.loader = loader
        self._stage, self._resume, self._encode, self._score = stage, resume, encode, score
        self._best: tuple[float, list[Tensor]] | None = None
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._logits: Tensor | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The stage's optimiser over the stage's parameters."""
        return self._stage.optim.build(self._stage.parameters)

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

    def on_train_epoch_start(self) -> None:
        """Set the epoch's random streams, functions of the epoch alone."""
        self.loader.set_epoch(self.current_epoch)
        self._losses, self._hits = [], []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate, a function of epoch and step alone."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._stage.optim.lr_at(self.current_epoch, batch_idx, len(self.loader))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The learner's loss; nothing here waits for the device."""
        if self._encode is not None:
            batch = batch._replace(inputs=self._encode(batch.inputs))
        self._logits = None
        loss = self._stage.loss(batch)
        self._losses.append(loss.detach())
        if self._logits is not None and len(self._logits) >= len(batch.labels):  # synthetic rows may follow
            predicted = self._logits[: len(batch.labels)].argmax(-1)
            self._hits.append((predicted == batch.labels).float().mean())
        return loss

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
        score = self._score() if self._score is not None else None
        if score is not None and (self._best is None or score > self._best[0]):
            self._best = (score, [parameter.detach().clone() for parameter in self._stage.parameters])
            self.best_epoch = self.current_epoch
        by_loss = self._stage.chosen_by == "loss"
        self.curve.append(
            EpochRecord(
                stage=self._stage.name,
                epoch=self.current_epoch,
                loss=float(losses.mean()),
                accuracy=accuracy,
                learning_rate=self._lr_at(0),
                val_accuracy=None if by_loss else score,
                val_loss=-score if by_loss and score is not None else None,
            )
        )
        self._resume.keep(self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the curve so far and the best epoch's parameters to Lightning's state."""
        checkpoint[KEY] = {**self._resume.note(self.curve), "best": self._best, "best_epoch": self.best_epoch}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what :meth:`on_save_checkpoint` added; the curve is with the fit's progress."""
        best, self.best_epoch = checkpoint[KEY]["best"], checkpoint[KEY]["best_epoch"]
        if best is not None:
            self._best = (best[0], [parameter.to(self.learner.clip.device) for parameter in best[1]])

    def on_fit_end(self) -> None:
        """Go back to the best epoch's parameters, if one was chosen."""
        if self._best is not None:
            with torch.no_grad():
                for parameter, best in zip(self._stage.parameters, self._best[1], strict=True):
                    parameter.copy_(best)

    def _diverged(self, what: str, step: int) -> FloatingPointError:
        return FloatingPointError(
            f"{self._stage.name}: {what} in epoch {self.current_epoch}, step {step}, at learning rate "
            f"{self._lr_at(step):g}; try a smaller lr of this stage (in most learners learner.optim.lr), or "
            "backbone.precision=fp32"
        )

    def _lr_at(self, step: int) -> float:
        return self._stage.optim.lr_at(self.current_epoch, step, len(self.loader))

    @property
    def _optimiser(self) -> torch.optim.Optimizer:
        return self.trainer.optimizers[0]

    def _remember(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._logits = output.detach() if isinstance(output, Tensor) and output.ndim == 2 else None

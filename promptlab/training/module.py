"""The Lightning side: one module that runs one gradient stage of any learner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from promptlab.learners.base import Batch, GradientStage, PromptLearner
from promptlab.results.schema import EpochRecord
from promptlab.training.loaders import EpochLoader


class StageModule(lightning.LightningModule):
    """Runs one gradient stage; only the learner's own parameters are registered.

    Args:
        learner: what is trained.
        stage: its gradient stage.
        loader: the batches.
        encode: turns a batch's images into what the learner needs; None where the batches hold that already.
        validate: accuracy on validation images, asked after each epoch; the best epoch's parameters are then kept.
    """

    def __init__(
        self,
        learner: PromptLearner,
        stage: GradientStage,
        loader: EpochLoader,
        *,
        encode: Callable[[Tensor], Tensor] | None = None,
        validate: Callable[[], float] | None = None,
    ) -> None:
        super().__init__()
        self.learner = learner
        self.curve: list[EpochRecord] = []
        self.best_epoch: int | None = None
        self.loader = loader
        self._stage, self._encode, self._validate = stage, encode, validate
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
        watch = self.learner.register_forward_hook(self._remember)
        try:
            yield
        finally:
            watch.remove()

    def on_train_epoch_start(self) -> None:
        """Set the epoch's learning rate and random streams, both functions of the epoch alone."""
        self.loader.set_epoch(self.current_epoch)
        for group in self._optimiser.param_groups:
            group["lr"] = self._stage.optim.lr_at(self.current_epoch)
        self._losses, self._hits = [], []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The learner's loss; nothing here waits for the device."""
        if self._encode is not None:
            batch = Batch(self._encode(batch.inputs), batch.labels)
        self._logits = None
        loss = self._stage.loss(batch)
        self._losses.append(loss.detach())
        if self._logits is not None and len(self._logits) == len(batch.labels):
            self._hits.append((self._logits.argmax(-1) == batch.labels).float().mean())
        return loss

    def on_train_epoch_end(self) -> None:
        """Write the epoch's point of the learning curve; stop if the loss is no number any more.

        Raises:
            FloatingPointError: for a NaN or infinite loss, with the epoch, the learning rate and what to try.
        """
        losses = torch.stack(self._losses)
        lr = self._optimiser.param_groups[0]["lr"]
        if not losses.isfinite().all():
            step = int((~losses.isfinite()).nonzero()[0])
            raise FloatingPointError(
                f"{self._stage.name}: the loss is {float(losses[step])} in epoch {self.current_epoch}, step {step}, "
                f"at learning rate {lr:g}; try a smaller learner.optim.lr, or backbone.precision=fp32"
            )
        accuracy = float(torch.stack(self._hits).mean()) if self._hits else None
        val_accuracy = self._validate() if self._validate is not None else None
        if val_accuracy is not None and (self._best is None or val_accuracy > self._best[0]):
            self._best = (val_accuracy, [parameter.detach().clone() for parameter in self._stage.parameters])
            self.best_epoch = self.current_epoch
        loss = float(losses.mean())
        self.curve.append(
            EpochRecord(
                stage=self._stage.name,
                epoch=self.current_epoch,
                loss=loss,
                accuracy=accuracy,
                learning_rate=lr,
                val_accuracy=val_accuracy,
            )
        )

    def on_fit_end(self) -> None:
        """Go back to the best epoch's parameters, if one was chosen."""
        if self._best is not None:
            with torch.no_grad():
                for parameter, best in zip(self._stage.parameters, self._best[1], strict=True):
                    parameter.copy_(best)

    @property
    def _optimiser(self) -> torch.optim.Optimizer:
        return self.trainer.optimizers[0]

    def _remember(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._logits = output.detach() if isinstance(output, Tensor) and output.ndim == 2 else None

"""How far a stage is: a bar over its epochs, or lines now and then where nothing can be drawn anew."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

from promptlab.support.console import console, is_live
from promptlab.support.progress import LineNowAndThen, bar, say_if
from promptlab.training.module import StageModule


class EpochBar(Callback):
    """One line per stage: epochs done, loss, accuracy and learning rate; it vanishes when the stage ends.

    Args:
        title: what is being trained.
    """

    def __init__(self, title: str) -> None:
        state = TextColumn("{task.fields[state]}", markup=False)
        self._bar = bar(MofNCompleteColumn(), TextColumn("epochs"), TimeRemainingColumn(), state)
        self._title, self._is_live = title, is_live(console(stderr=True))

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the bar."""
        epochs = None if trainer.max_epochs == -1 else trainer.max_epochs  # a stage may count steps
        self._lines = LineNowAndThen(f"training {self._title}", "epochs", epochs, start=trainer.current_epoch)
        if self._is_live:
            self._task = self._bar.add_task(self._title, total=epochs, state="")
            self._bar.start()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Advance; Lightning calls this before the module's own hook, so the numbers are the last epoch's."""
        curve = pl_module.curve if isinstance(pl_module, StageModule) else []
        state = ""
        if curve:
            accuracy = "" if curve[-1].accuracy is None else f"  accuracy {100 * curve[-1].accuracy:.1f} %"
            state = f"loss {curve[-1].loss:.3f}{accuracy}  lr {curve[-1].learning_rate:.2g}"
        if self._is_live:
            self._bar.update(self._task, advance=1, state=state)
        else:
            say_if(self._lines.due(1, state.replace("  ", ", ")))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: Any) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._is_live:  # elsewhere it would leave an empty line
            self._bar.stop()

"""How Lightning writes a fit's state."""

from __future__ import annotations

import io
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from promptlab.support.archives import seal_archive
from promptlab.support.files import write_bytes_atomic


class WholeFiles(TorchCheckpointIO):
    """Writes a state with its checksum, so that a crash leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a state to a path."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes_atomic(path, seal_archive(buffer.getvalue()))

"""Context vectors out of the checkpoints that CoOp's and CoCoOp's own code writes."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.saved.dassl import read_dassl

_LEARNED = re.compile(r"ctx|meta_net\..+")  # token_prefix and token_suffix follow from the class names


def import_coop_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read what CoOp or CoCoOp learned from a checkpoint of the authors' code.

    :func:`promptlab.import_checkpoint` does so for every learner whose authors' checkpoints are known.

    Args:
        path: the file, the folder ``prompt_learner`` around it, or the output folder around that; of a folder the last
            epoch is taken. ``model-best.pth.tar`` is read only if it is named itself.

    Returns:
        ``ctx`` (M, E), or (C, M, E) if class-specific, and of CoCoOp ``meta_net.*``; fp32 on the CPU, as
        ``load_learned`` takes them.

    Raises:
        FileNotFoundError: if there is no such file, or no checkpoint in the folder.
        CheckpointError: if the file is damaged, of another kind, or holds no context vectors.

    Example:
        >>> tensors = import_coop_checkpoint("output/prompt_learner/model.pth.tar-50")  # doctest: +SKIP
        >>> CoOp(clip, class_names, n_ctx=16).load_learned(tensors)  # doctest: +SKIP
    """
    file, state = read_dassl(path, "CoOp's code")
    learned = {name: tensor for name, tensor in state.items() if _LEARNED.fullmatch(name)}
    if "ctx" not in learned or not all(isinstance(tensor, Tensor) for tensor in learned.values()):
        found = ", ".join(list(state)[:5]) or "nothing"
        raise CheckpointError(f"{file} holds no context vectors: ctx is expected in its state_dict, found {found}")
    return {name: tensor.detach().float().contiguous() for name, tensor in learned.items()}

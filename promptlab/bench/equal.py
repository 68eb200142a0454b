"""Whether two renderings of a step give the same answers; nothing is timed before they do."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from promptlab.support.errors import PromptlabError

Answer = Mapping[str, Tensor]
"""Features, logits, the loss, and gradients as ``gradient of NAME``."""

GRADIENT = "gradient of "
TOLERANCES = {
    "fp32": {"features": 1e-5, "logits": 1e-3, "loss": 1e-4, "gradient": 1e-4},
    "bf16": {"features": 5e-2, "logits": 5.0, "loss": 0.5, "gradient": 0.5},
    "fp16": {"features": 5e-3, "logits": 0.5, "loss": 5e-2, "gradient": 5e-2},
}
"""Largest difference of a feature, a logit (cosines times about 100) and the loss; relative, of gradients, by norm."""


class DifferenceError(PromptlabError, RuntimeError):
    """promptlab's results and the plain rendering's differ."""


def require_equal(what: str, ours: Answer, plain: Answer, precision: str = "fp32") -> dict[str, float]:
    """Hold two answers against each other.

    Args:
        what: names the step in the message.
        ours: promptlab's.
        plain: the plain rendering's.
        precision: of the frozen weights; lower ones round more.

    Returns:
        The difference of each entry: largest absolute one, for gradients relative by norm.

    Raises:
        DifferenceError: naming every entry that is missing, of another shape, or further apart than rounding explains.
    """
    if ours.keys() != plain.keys():
        raise DifferenceError(f"{what}: promptlab gives {sorted(ours)}, the plain rendering {sorted(plain)}")
    allowed = TOLERANCES[precision]
    differences, problems = {}, []
    for name, tensor in ours.items():
        if tensor.shape != plain[name].shape:
            problems.append(f"{name} has shape {tuple(tensor.shape)}, plain {tuple(plain[name].shape)}")
            continue
        differences[name] = _difference(name, tensor.detach().float(), plain[name].detach().float())
        limit = allowed["gradient" if name.startswith(GRADIENT) else name]
        if not differences[name] <= limit:  # also where it is no number
            problems.append(f"{name} differ by {differences[name]:.2g}, more than {limit:g}")
    if problems:
        raise DifferenceError(f"{what}: promptlab and the plain rendering differ: {'; '.join(problems)}")
    return differences


def _difference(name: str, ours: Tensor, plain: Tensor) -> float:
    if name.startswith(GRADIENT):
        return float((ours - plain).norm() / plain.norm())
    return float((ours - plain).abs().max())

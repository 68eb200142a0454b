"""Settings that the papers tie to a protocol, by name: users of the research code mix them up most often."""

from __future__ import annotations

from typing import Any

COOP_BY_PROTOCOL: dict[str, dict[str, Any]] = {
    # Learning to Prompt for Vision-Language Models (IJCV 2022): 16 random vectors
    "few_shot": {"n_ctx": 16, "ctx_init": None},
    # Conditional Prompt Learning (CVPR 2022), where CoOp is the baseline: 4 vectors from words
    "base_to_new": {"n_ctx": 4, "ctx_init": "a photo of a"},
}


def coop_recipe(setting: str, protocol: str, *, _parent_: Any = None) -> Any:
    """CoOp's ``n_ctx`` or ``ctx_init`` in the paper that a protocol comes from; the few-shot paper's for others.

    Args:
        setting: which of the two.
        protocol: name of the protocol.
        _parent_: the learner's node: where somebody set the other of the two, this one gives way (None).
    """
    other = {"n_ctx": "ctx_init", "ctx_init": "n_ctx"}[setting]
    if _parent_ is not None and other in _parent_:
        node = _parent_._get_node(other)
        if not node._is_interpolation() and node._value() is not None:
            return None
    return COOP_BY_PROTOCOL.get(protocol, COOP_BY_PROTOCOL["few_shot"])[setting]


def coop_epochs(shots: int | str, dataset: str = "") -> int:
    """CoOp's epochs: 50 on ImageNet; otherwise 50 for 1 shot, 100 for 2 and 4, 200 for 8, 16 and more.

    Args:
        shots: images per class, or ``"all"``.
        dataset: name of the training dataset.
    """
    if dataset == "imagenet":
        return 50
    if shots == "all" or int(shots) > 4:
        return 200
    return 50 if int(shots) <= 1 else 100

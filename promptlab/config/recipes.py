"""Settings that the papers tie to a protocol, by name: users of the research code mix them up most often."""

from __future__ import annotations

from typing import Any

COOP_BY_PROTOCOL: dict[str, dict[str, Any]] = {
    # Learning to Prompt for Vision-Language Models (IJCV 2022): 16 random vectors
    "few_shot": {"n_ctx": 16, "ctx_init": None},
    # Conditional Prompt Learning (CVPR 2022), where CoOp is the baseline: 4 vectors from words
    "base_to_new": {"n_ctx": 4, "ctx_init": "a photo of a"},
    "cross_dataset": {"n_ctx": 4, "ctx_init": "a photo of a"},
    "domain_generalization": {"n_ctx": 4, "ctx_init": "a photo of a"},
    # SHIP (ICCV 2023), whose CoOp starts from the same words
    "generalized_zero_shot": {"n_ctx": 4, "ctx_init": "a photo of a"},
}

TARGETS: dict[tuple[str, str], list[str]] = {
    # the tables of Conditional Prompt Learning, and the embedded demo's counterpart
    ("cross_dataset", "imagenet"): [
        "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397", "dtd",
        "eurosat", "ucf101",
    ],
    ("domain_generalization", "imagenet"): ["imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"],
    ("cross_dataset", "demo_shapes"): ["demo_textures"],
    ("domain_generalization", "demo_shapes"): ["demo_shapes_sketch", "demo_shapes_noise", "demo_shapes_dark"],
}  # fmt: skip

KGCOOP_TEMPLATES = {"dtd": "a photo of a {}, a type of texture."}
"""Where the table of hand-written prompts in KgCoOp's code differs from CoOp's."""

_MAPLE_WITHIN: dict[str, int | float] = {"depth": 9, "epochs": 5, "lr": 0.0035}
_MAPLE_ACROSS: dict[str, int | float] = {"depth": 3, "epochs": 2, "lr": 0.0026}
MAPLE_BY_PROTOCOL = {
    # MaPLe (CVPR 2023): fewer layers and epochs where it trains on ImageNet for other datasets
    "few_shot": _MAPLE_WITHIN,
    "base_to_new": _MAPLE_WITHIN,
    "cross_dataset": _MAPLE_ACROSS,
    "domain_generalization": _MAPLE_ACROSS,
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


def protocol_shots(protocol: str) -> int | str:
    """Training images per class in a protocol's papers: 16, or all for generalised zero-shot learning."""
    return "all" if protocol == "generalized_zero_shot" else 16


def protocol_targets(protocol: str, dataset: str) -> list[str]:
    """The targets of the papers' tables for a source, none for other sources.

    Args:
        protocol: name of the protocol.
        dataset: name of the source.
    """
    return TARGETS.get((protocol, dataset), [])


def kgcoop_template(dataset: str) -> str | None:
    """The prompt that teaches in KgCoOp's code where it isn't CoOp's; None elsewhere: the run offers the dataset's own.

    Args:
        dataset: name of the training dataset.
    """
    return KGCOOP_TEMPLATES.get(dataset)


def maple_recipe(setting: str, protocol: str) -> int | float:
    """MaPLe's ``depth``, ``epochs`` or ``lr`` under a protocol of its paper; those of base-to-new for others.

    Args:
        setting: which of the three.
        protocol: name of the protocol.
    """
    return MAPLE_BY_PROTOCOL.get(protocol, _MAPLE_WITHIN)[setting]


def maple_depth(protocol: str, layers: int) -> int:
    """MaPLe's depth under a protocol, or all layers of a backbone that has fewer.

    Args:
        protocol: name of the protocol.
        layers: of the backbone's shorter tower.
    """
    return min(int(maple_recipe("depth", protocol)), layers)

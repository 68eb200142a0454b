"""The class matrix of learners whose answer is one: logits of features are a product with it.

Which learners those are nobody has to say: the matrix is what the scorer makes of the axes of the joint space, and
it is the answer if the scorer of real features says the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from promptlab.learners.base.learner import PromptLearner
from promptlab.saved.export_about import ExportRefusedError, about, require_fixed

Features = dict[bool, str]
LENGTHS: Features = {True: "L2-normalised", False: "as long as the image tower makes them"}
"""What a matrix takes, by whether a learner's features are normalised."""
_TOLERANCE = 1e-4
"""How far the product may be from the learner's logits, as a share of the largest."""
_TRIED = 64


@dataclass(frozen=True)
class ClassMatrix:
    """Logits (B, C) of image features (B, D) are ``scale * features @ weight.T + bias``.

    Args:
        weight: (C, D) fp32; of learners that compare with texts, the L2-normalised text features.
        bias: (C,) fp32.
        scale: the backbone's factor on cosine similarities.
        normalised: whether the features are L2-normalised before.
    """

    weight: Tensor
    bias: Tensor
    scale: float
    normalised: bool

    def logits(self, features: Tensor) -> Tensor:
        """(B, C) of features (B, D) as the image tower makes them."""
        given = F.normalize(features, dim=-1) if self.normalised else features
        return self.scale * given @ self.weight.T + self.bias


@torch.no_grad()
def class_matrix(learner: PromptLearner) -> ClassMatrix:
    """The matrix by which a learner scores.

    Raises:
        ExportRefusedError: if its answer is none, with what exports it instead.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> zero_shot = promptlab.ZeroShot(clip, ["ring", "star"])
        >>> found = class_matrix(zero_shot)
        >>> found.weight.shape, bool(torch.allclose(found.weight, zero_shot.text_features(), atol=1e-5))
        (torch.Size([2, 128]), True)
    """
    require_fixed(learner)
    name, clip = type(learner).__name__, learner.clip
    instead = "export it --to onnx or --to torch_export, which take images"
    if learner.needs == "images" or learner.reads != "projected":
        raise ExportRefusedError(
            f"{name} reads more of a picture than its feature, so no class matrix answers: {instead}"
        )
    score = learner.eval().scorer()
    origin = score(torch.zeros(1, clip.dim, device=clip.device)).float()
    axes = score(torch.eye(clip.dim, device=clip.device)).float() - origin  # (D, C)
    weight, bias = (axes.T / clip.logit_scale).cpu().contiguous(), origin[0].cpu()
    tried = torch.randn(_TRIED, clip.dim, generator=torch.Generator().manual_seed(0))
    for normalised in (False, True) if not learner.normalised else (True,):
        found = ClassMatrix(weight, bias, clip.logit_scale, normalised)
        given = F.normalize(tried, dim=-1) if learner.normalised else tried
        expected = score(given.to(clip.device)).float().cpu()
        if bool((found.logits(given) - expected).abs().max() <= _TOLERANCE * max(1.0, float(expected.abs().max()))):
            return found
    raise ExportRefusedError(f"{name} doesn't score a picture's feature by one class matrix: {instead}")


def write_matrix(learner: PromptLearner, path: Path, to: str) -> dict[str, Any]:
    """Write a learner's class matrix, with all that is needed to answer by it.

    Args:
        learner: whose.
        path: the file.
        to: ``safetensors``, whose metadata are JSON values by key, or ``numpy``: an ``.npz`` file that needs no pickle,
            with the same in ``about``, a text of JSON.

    Returns:
        What the file says besides the tensors.

    Raises:
        ExportRefusedError: as :func:`class_matrix`.
    """
    found = class_matrix(learner)
    said = {**about(learner), "features": LENGTHS[found.normalised], "logits": "scale * features @ weight.T + bias"}
    if to == "safetensors":
        tensors = {"weight": found.weight, "bias": found.bias, "scale": torch.tensor(found.scale)}
        save_file(tensors, path, {key: json.dumps(value) for key, value in said.items()})
        return said
    with path.open("wb") as file:  # numpy adds a suffix to a path
        np.savez(
            file,
            weight=found.weight.numpy(),
            bias=found.bias.numpy(),
            scale=np.float32(found.scale),
            class_names=np.array(learner.class_names),
            about=np.array(json.dumps(said)),
        )
    return said


def read_matrix(path: Path, to: str) -> ClassMatrix:
    """A class matrix as it stands in a file that :func:`write_matrix` wrote."""
    tensors: Mapping[str, Tensor]
    if to == "safetensors":
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in ("weight", "bias", "scale")}
            features = json.loads(file.metadata()["features"])
    else:
        with np.load(path, allow_pickle=False) as arrays:
            tensors = {name: torch.from_numpy(np.asarray(arrays[name])) for name in ("weight", "bias", "scale")}
            features = json.loads(str(arrays["about"]))["features"]
    return ClassMatrix(tensors["weight"], tensors["bias"], float(tensors["scale"]), features == LENGTHS[True])

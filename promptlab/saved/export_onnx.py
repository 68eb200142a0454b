"""A learner with its image tower as an ONNX file, and that file at work in onnxruntime."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner
from promptlab.saved.export_about import about, require_fixed
from promptlab.saved.export_graph import INPUT, OUTPUTS, graph_of, quiet
from promptlab.support.extras import extra

OPSET = 20
"""Version of ONNX's operators that the file uses."""


def write_onnx(learner: PromptLearner, path: Path) -> dict[str, Any]:
    """Write a learner as ONNX; weights above 2 GB go into a second file beside it, named as the file and ``.data``.

    Args:
        learner: what scores.
        path: the file.

    Returns:
        What its metadata say: JSON values by key.

    Raises:
        ExportError: if the learner has no graph.
        UsageError: if onnx, onnxscript or onnxruntime isn't installed.
    """
    require_fixed(learner)  # before packages are asked for that wouldn't help
    with extra("export", "an ONNX file"):
        for package in ("onnxscript", "onnxruntime"):
            import_module(package)
    graph, batch = graph_of(learner)
    said = {**about(learner), "input": INPUT, "outputs": list(OUTPUTS), "batch": batch, "opset": OPSET}
    with quiet():
        program: Any = torch.onnx.export(
            graph, input_names=[INPUT], output_names=list(OUTPUTS), opset_version=OPSET, verbose=False, dynamo=True
        )
    program.model.metadata_props.update({key: json.dumps(value) for key, value in said.items()})
    program.save(path)
    return said


def quantise(source: Path, path: Path) -> None:
    """Write an ONNX file anew with the weights of its matrix products in int8; activations become so as they come."""
    with quiet():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            source,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=Path(f"{source}.data").exists(),
        )


class OnnxRunner:
    """An ONNX file at work: images (B, 3, H, W) to logits and probabilities.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C) each."""
        logits, probabilities = self._session.run(list(OUTPUTS), {INPUT: images.cpu().numpy()})
        return torch.from_numpy(logits), torch.from_numpy(probabilities)

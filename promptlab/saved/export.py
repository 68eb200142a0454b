"""A learner in other programs' forms. Each is held against promptlab on real pictures before it takes its name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from promptlab.learners.base.learner import PromptLearner
from promptlab.saved.export_about import ExportError
from promptlab.saved.export_check import OF_DEMO, OF_DEMO_MEASURED, Agreement, Pictures, Runner, compare
from promptlab.saved.export_graph import quiet, write_program
from promptlab.saved.export_matrix import read_matrix, write_matrix
from promptlab.saved.export_onnx import OnnxRunner, quantise, write_onnx
from promptlab.support.errors import UsageError
from promptlab.support.files import replacing
from promptlab.support.words import suggest

Form = Literal["onnx", "torch_export", "safetensors", "numpy"]
FORMS: tuple[str, ...] = get_args(Form)
FILES = {
    "onnx": "model.onnx",
    "torch_export": "model.pt2",
    "safetensors": "classes.safetensors",
    "numpy": "classes.npz",
}
"""What the file of each form is called unless somebody says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An export that was written.

    Args:
        path: of the file.
        to: its form.
        bytes: size of the file, with that of its weights where they lie in a second one.
        int8: whether its weights are in int8.
        pictures: whose pictures it was tried on, in words.
        agreement: what it answered on them beside promptlab.
        about: what the file says of itself.
    """

    path: Path
    to: str
    bytes: int
    int8: bool
    pictures: str
    agreement: Agreement
    about: dict[str, Any]


def export_learner(
    learner: PromptLearner,
    path: str | Path,
    to: Form,
    *,
    check: str | Path | None = None,
    int8: bool = False,
) -> Exported:
    """Write a learner in a form that needs no promptlab.

    Args:
        learner: what to write.
        path: the file; it is as it was if the export fails.
        to: ``onnx`` (images to logits and probabilities), ``torch_export`` (the same, for ``torch.export.load``),
            ``safetensors`` or ``numpy`` (the class matrix, of learners whose answer is one).
        check: a folder of pictures that the export is tried on, in folders of the classes' names if their accuracy is
            wanted; some of the demo's if None.
        int8: an ONNX file with weights in int8, a quarter as large, whose answers are measured and not held to 1e-4.

    Returns:
        What was written, and how far it is from promptlab's answers.

    Raises:
        ExportError: if the learner can't be written so, with what can be done, or if the file answers otherwise than
            promptlab.
        UsageError: for an unknown form, int8 of another form than ONNX, a folder where the file should be, or where
            packages are missing.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZeroShot(promptlab.load_clip("demo"), ["ring", "star"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     exported = export_learner(learner, Path(folder, "classes.npz"), "numpy")
        >>> exported.agreement.holds, exported.agreement.pictures
        (True, 24)
    """
    if to not in FORMS:
        raise UsageError(f"--to {to}: no such form{suggest(to, FORMS)}; allowed are {', '.join(FORMS)}")
    if int8 and to != "onnx":
        raise UsageError(f"int8 is a form of ONNX files: give it with --to onnx, not with {to}")
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"--out {path}: that is a folder; give the name of a file, such as {path / FILES[to]}")
    count = OF_DEMO_MEASURED if int8 else OF_DEMO
    pictures = Pictures.of_demo(learner, count) if check is None else Pictures.in_folder(learner, check)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        written = Path(folder, "as_it_is" if int8 else "", path.name)
        written.parent.mkdir(exist_ok=True)
        said, agreement = _written(learner, written, to, pictures)
        if int8:
            quantise(written, Path(folder, path.name))
            agreement = compare(learner, OnnxRunner(Path(folder, path.name)), pictures, at_once=said.get("batch"))
        files = sorted((file for file in Path(folder).iterdir() if file.is_file()), reverse=True)
        size = sum(file.stat().st_size for file in files)
        for file in files:  # weights beside a graph, .onnx.data, before the graph
            with replacing(path.parent / file.name) as temporary:
                os.replace(file, temporary)
    return Exported(path=path, to=to, bytes=size, int8=int8, pictures=pictures.whose, agreement=agreement, about=said)


def _written(learner: PromptLearner, path: Path, to: str, pictures: Pictures) -> tuple[dict[str, Any], Agreement]:
    """Write the file, and hold it against the learner."""
    writers: dict[str, Callable[[], dict[str, Any]]] = {
        "onnx": lambda: write_onnx(learner, path),
        "torch_export": lambda: write_program(learner, path),
    }
    said = writers.get(to, lambda: write_matrix(learner, path, to))()
    agreement = compare(learner, _runner(learner, path, to), pictures, at_once=said.get("batch"))
    if not agreement.holds:
        raise ExportError(
            f"the {to} file of {type(learner).__name__} answers otherwise than promptlab (logits differ by up to "
            f"{agreement.logits:.2g}, probabilities by up to {agreement.probabilities:.2g}, on {agreement.pictures} "
            "pictures), so nothing was written; please report it"
        )
    return said, agreement


def _runner(learner: PromptLearner, path: Path, to: str) -> Runner:
    """The file at work."""
    if to == "onnx":
        return OnnxRunner(path)
    if to == "torch_export":
        with quiet():
            return _on_device(torch.export.load(path).module(), learner.clip.device)
    matrix = read_matrix(path, to)

    def score(images: Tensor) -> tuple[Tensor, Tensor]:
        logits = matrix.logits(learner.clip.encode_images(images, normalised=False).cpu())
        return logits, learner.decision.probabilities(logits)

    return score


def _on_device(program: Any, device: torch.device) -> Runner:
    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        logits, probabilities = program(images.to(device))
        return logits.cpu(), probabilities.cpu()

    return run

"""``promptlab export``: a saved learner in a form that other programs read, held against promptlab first."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # --help imports no torch
    from promptlab.saved.export import Exported

SUMMARY = "a saved learner as ONNX, torch.export or its class matrix"
USAGE = "export DIR --to FORM"
DESCRIPTION = """\
Writes the learner in DIR (or of that id on the Hugging Face hub) in a form that needs no promptlab:

  onnx           images to logits and probabilities, for onnxruntime; --int8 for weights in int8
  torch_export   the same as a .pt2 file, for torch.export.load
  safetensors    the class matrix (C, D), scale and bias, of learners whose answer is one
  numpy          the same as an .npz file

Class names, the decision (temperature, threshold) and how pictures are prepared stand in the file's metadata. What the
file answers on real pictures is held against promptlab (1e-4) before it is written."""


def main(arguments: Sequence[str]) -> int:
    """Write it; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.saved.export import FILES, FORMS, export_learner
    from promptlab.saved.load import load_learner
    from promptlab.support.errors import UsageError
    from promptlab.support.words import suggest

    if options.to not in FORMS:
        raise UsageError(f"--to {options.to}: no such form{suggest(options.to, FORMS)}; allowed are {', '.join(FORMS)}")
    learner = load_learner(options.folder, device="cpu")
    folder = Path(options.folder).expanduser()
    out = options.out or (folder if folder.is_dir() else Path()) / FILES[options.to]
    exported = export_learner(learner, out, options.to, check=options.check, int8=options.int8)
    _say(exported, as_json=options.json)
    return 0


def _say(exported: Exported, *, as_json: bool) -> None:
    """Say what was written, and how well it answers."""
    from promptlab.support.console import say, say_json
    from promptlab.support.words import megabytes

    if as_json:
        say_json({**asdict(exported), "path": str(exported.path)})
        return
    found, about = exported.agreement, exported.about
    C = len(about["class_names"])
    side, B = about["preprocessing"]["size"], about.get("batch") or "batch"
    graph = f"images ({B}, 3, {side}, {side}) to logits and probabilities ({B}, {C})"
    what = graph if "input" in about else f"class matrix of {C} classes"
    opset = f", opset {about['opset']}" if "opset" in about else ""
    say(f"{exported.path}: {megabytes(exported.bytes)}{opset}{', int8' * exported.int8}; {what}")
    tried = "measured beside" if exported.int8 else "held against"
    say(
        f"{tried} promptlab on {found.pictures} pictures of {exported.pictures}: logits differ by up to "
        f"{found.logits:.1g} (the largest is {found.largest_logit:.1f}), probabilities by up to "
        f"{found.probabilities:.1g}, the same answer for {found.same_answers}"
    )
    if found.labelled:
        of = f"of {found.labelled} pictures whose class is known"
        say(f"right {of}: promptlab {found.right}, this file {found.right_exported}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab export", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="DIR", help="a saved learner: its folder, a run's, or an id on the hub")
    parser.add_argument("--to", required=True, metavar="FORM", help="onnx, torch_export, safetensors or numpy")
    parser.add_argument("--out", metavar="FILE", type=Path, help="the file (in DIR, model.onnx and the like)")
    parser.add_argument("--int8", action="store_true", help="onnx with weights in int8; measured, not held to 1e-4")
    parser.add_argument("--check", metavar="FOLDER", help="pictures to try it on, in folders by class (the demo's)")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the lines")
    return parser

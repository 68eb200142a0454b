"""``promptlab synthesize``: image features made up for class names, by a SHIP that was trained and saved."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.support.errors import UsageError
from promptlab.support.texts import text_lines
from promptlab.support.words import counted

if TYPE_CHECKING:  # --help imports no torch
    from torch import Tensor


SUMMARY = "features made up for class names, by a SHIP run"
USAGE = "synthesize DIR --classes a,b"


def main(arguments: Sequence[str]) -> int:
    """Write synthetic features; returns the exit status."""
    options = _parser().parse_args(arguments)
    import torch

    from promptlab.learners.ship.learner import SHIP
    from promptlab.saved.load import load_learner

    if options.per_class < 1:
        raise UsageError(f"--per-class {options.per_class}: at least 1 is needed")
    names = _names(options.classes)
    learner = load_learner(options.source)
    if not isinstance(learner, SHIP):
        raise ValueError(f"{options.source} holds a {type(learner).__name__}; only SHIP makes features")
    generator = torch.Generator().manual_seed(options.seed)
    features, labels = learner.synthetic_features(names, options.per_class, generator, template=options.template)
    _write(options.out, features, labels, names)
    made = f"{counted(len(features), 'feature')} of {counted(len(names), 'class')}"
    sys.stdout.write(f"{made}, width {features.shape[1]}, in {options.out}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab synthesize",
        description="image features made up for class names, in a file that dataset=features reads",
    )
    parser.add_argument("source", metavar="DIR", help="the folder of a SHIP run, a saved one's, or an id on the hub")
    parser.add_argument("--classes", required=True, metavar="NAMES", help="a,b,c or a text file with a name per line")
    parser.add_argument("--per-class", type=int, default=16, metavar="N", help="features of each class (16)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    parser.add_argument("--template", help="of the names, for generators that read one; as trained if none")
    parser.add_argument("--out", default="synthetic.safetensors", metavar="FILE", help="synthetic.safetensors")
    return parser


def _names(given: str) -> list[str]:
    is_file = os.path.isfile(given)  # pathlib's raises for a long list of names
    if not is_file and given.endswith(".txt"):
        raise UsageError(f"--classes {given}: there is no such file")
    names = text_lines(given) if is_file else [name.strip() for name in given.split(",") if name.strip()]
    if not names:
        raise UsageError(f"--classes {given!r} names no class")
    return names


def _write(out: str, features: Tensor, labels: Tensor, names: Sequence[str]) -> None:
    from safetensors.torch import save

    from promptlab.support.files import write_bytes_atomic

    tensors = {"features": features.cpu().contiguous(), "labels": labels.cpu()}
    write_bytes_atomic(out, save(tensors, metadata={"class_names": json.dumps(list(names))}))

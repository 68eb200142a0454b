"""What learners score in a new process, which knows their classes, arguments and learned tensors and nothing else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from promptlab.clip.weights.load import load_clip
from promptlab.learners.base.arguments import flat
from promptlab.learners.base.learner import PromptLearner

_CODE = "import sys; from promptlab.learners.base.new_process import _answer; _answer(sys.argv[1])"
_ASKED, _ANSWERED, _PATH = "asked.pkl", "answered.pkl", "path.pkl"


class Saved(NamedTuple):
    """A learner over the embedded demo's backbone without anything of this process.

    Args:
        kind: its class.
        class_names: its C names.
        arguments: its hyper-parameters by name, generators apart.
        learned: its tensors.
        inputs: (B, ...) what it is to score.
        logits: (B, C) what it scored in this process.
    """

    kind: type[PromptLearner]
    class_names: tuple[str, ...]
    arguments: dict[str, Any]
    learned: dict[str, Tensor]
    inputs: Tensor
    logits: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, learner: PromptLearner, inputs: Tensor) -> Saved:
        """A learner as it is, in eval mode."""
        given = flat(type(learner), learner.arguments)
        plain = {name: value for name, value in given.items() if not isinstance(value, torch.Generator)}
        learned = dict(learner.learned_tensors())
        return cls(type(learner), learner.class_names, plain, learned, inputs, learner(inputs))


def scores_in_new_process(saved: Sequence[Saved]) -> list[Tensor | str]:
    """Logits (B, C) of each, computed by one new process; or in words why there are none.

    The process has another seed for the hashes of texts, so that the order of sets is another too.

    Raises:
        ValueError: if one of them can't be sent there.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(folder, _ASKED).write_bytes(pickle.dumps(list(saved)))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(f"it can't be found from a new process ({error}): a class and what its arguments name "
                             "belong into a module, not into a function") from error  # fmt: skip
        Path(folder, _PATH).write_bytes(pickle.dumps(sys.path))
        seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])}
        done = subprocess.run(
            [sys.executable, "-c", _CODE, folder], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(f"a new process fails to load it: {' '.join(done.stderr.strip().splitlines()[-1:])}")
        answer: list[Tensor | str] = pickle.loads(Path(folder, _ANSWERED).read_bytes())
        return answer


def _answer(folder: str) -> None:
    """In the new process: load and score."""
    sys.path[:] = pickle.loads(Path(folder, _PATH).read_bytes())
    asked: list[Saved] = pickle.loads(Path(folder, _ASKED).read_bytes())
    clip = load_clip("demo")
    answered: list[Tensor | str] = []
    for saved in asked:
        try:
            learner = saved.kind(clip, saved.class_names, **saved.arguments).load_learned(saved.learned).eval()
            with torch.no_grad():
                answered.append(learner(saved.inputs))
        except Exception as error:  # what isn't ours may raise anything
            answered.append(f"{type(error).__name__}: {error}")
    Path(folder, _ANSWERED).write_bytes(pickle.dumps(answered))

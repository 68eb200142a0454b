"""``promptlab interpret``: a saved learner's vectors as words."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlab.support.errors import PromptlabError, UsageError

if TYPE_CHECKING:  # --help imports no torch
    from torch import Tensor

    from promptlab.learners.base.learner import PromptLearner


SUMMARY = "the words that learned vectors are closest to"
USAGE = "interpret DIR"


@dataclass(frozen=True)
class Context:
    """One context: M vectors, and what they belong to."""

    label: str
    vectors: Tensor


def main(arguments: Sequence[str]) -> int:
    """Show the tokens closest to each learned vector; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.prompts.nearest import nearest_words
    from promptlab.saved.load import load_learner
    from promptlab.support.console import say_json

    learner = load_learner(options.source)
    contexts = _contexts(learner, options)
    nearest = [nearest_words(learner.clip, c.vectors, options.top, options.metric) for c in contexts]
    shown: dict[str, Any] = {
        "learner": type(learner).__name__,
        "backbone": learner.clip.name,
        "metric": options.metric,
        "contexts": [
            {"of": context.label, "vectors": _vectors(found)} for context, found in zip(contexts, nearest, strict=True)
        ],
    }
    if options.json:
        say_json(shown)
    else:
        _print(shown)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab interpret",
        description="the tokens whose embeddings are closest to each learned vector, with their distances",
    )
    parser.add_argument("source", metavar="DIR", help="a run's folder, a saved learner's, or an id on the hub")
    parser.add_argument("--top", type=int, default=5, help="tokens per vector (5)")
    parser.add_argument("--metric", choices=("euclidean", "cosine"), default="euclidean", help="CoOp's, or SHIP's")
    parser.add_argument("--json", action="store_true", help="as JSON")
    made = parser.add_mutually_exclusive_group()
    made.add_argument(
        "--images", nargs="+", metavar="FILE", help="the vectors that a generator makes of these pictures"
    )
    made.add_argument("--noise", type=int, metavar="N", help="the vectors that a generator makes of N draws of noise")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    return parser


def _contexts(learner: PromptLearner, options: argparse.Namespace) -> list[Context]:
    """What to show: contexts that were learned, or that a generator makes.

    Raises:
        ValueError: if the learner has none.
        UsageError: for draws that can't be made.
    """
    if options.images:
        generate = _method(learner, "generated_prompts", "--images")
        prompts = generate(_features(learner, options.images))
        return [Context(name, vectors) for name, vectors in zip(options.images, prompts, strict=True)]
    if options.noise is not None:
        if options.noise < 1:
            raise UsageError(f"--noise {options.noise}: at least 1 is needed")
        import torch

        draws = _method(learner, "prior_prompts", "--noise")(options.noise, torch.Generator().manual_seed(options.seed))
        return [Context(f"noise {index}", vectors) for index, vectors in enumerate(draws)]
    contexts = list(_learned(context_vectors(learner), learner.class_names))
    if not contexts:
        raise ValueError(f"{type(learner).__name__} has learned no context vectors (tensors called ctx)")
    return contexts


def context_vectors(learner: PromptLearner) -> Mapping[str, Tensor]:
    """The learned tensors that stand among a prompt's tokens: those called ``ctx``, (M, E) or (C, M, E)."""
    return {
        name: tensor
        for name, tensor in learner.learned_tensors().items()
        if name.rpartition(".")[2] == "ctx" and tensor.ndim in (2, 3) and tensor.shape[-1] == learner.clip.width
    }


def _learned(tensors: Mapping[str, Tensor], class_names: Sequence[str]) -> list[Context]:
    """A context for each tensor (M, E), and for each class of a tensor (C, M, E)."""
    contexts = []
    for name, tensor in tensors.items():
        if tensor.ndim == 2:
            contexts.append(Context(name, tensor))
            continue
        labels = class_names if len(class_names) == len(tensor) else range(len(tensor))
        contexts += [Context(f"{name} of {label}", own) for label, own in zip(labels, tensor, strict=True)]
    return contexts


def _method(learner: PromptLearner, name: str, option: str) -> Callable[..., Tensor]:
    """What makes prompts, with the learner's own word where its generator can't.

    Raises:
        ValueError: if the learner makes no prompts.
        PromptlabError: when it is called, if the learner's kind of generator makes none.
    """
    method: Callable[..., Tensor] | None = getattr(learner, name, None)
    if method is None:
        raise ValueError(
            f"{option} is for learners that generate prompts, such as SHIP; {type(learner).__name__} doesn't"
        )

    def generate(*arguments: Any) -> Tensor:
        try:
            return method(*arguments)
        except TypeError as error:  # how a learner says that its generator has no encoder, or makes features alone
            raise PromptlabError(str(error)) from error

    return generate


def _features(learner: PromptLearner, images: Sequence[str]) -> Tensor:
    """(B, D) of pictures under the evaluation transform, as the learner reads features."""
    import torch

    from promptlab.data.pictures.picture import open_picture
    from promptlab.evaluation.test_time import encoded
    from promptlab.features.transforms import require_preprocess

    preprocess = require_preprocess(learner.clip)
    with torch.no_grad():
        return encoded(learner, torch.stack([preprocess(open_picture(name)) for name in images]))


def _vectors(found: Any) -> list[list[dict[str, Any]]]:
    """Per vector its tokens, closest first."""
    return [
        [{"word": w, "id": i, "distance": d} for w, i, d in zip(words, ids, distances, strict=True)]
        for words, ids, distances in zip(found.words, found.ids.tolist(), found.distances.tolist(), strict=True)
    ]


def _print(shown: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from promptlab.support.console import console, say

    say(f"{shown['learner']} on {shown['backbone']}, {shown['metric']} distance")
    for context in shown["contexts"]:
        table = Table(title=Text(context["of"]), title_justify="left", box=None, padding=(0, 1, 0, 0))
        table.add_column("", justify="right")
        for place in range(len(context["vectors"][0])):
            table.add_column(str(place + 1))
        for index, tokens in enumerate(context["vectors"]):
            cells = [Text(f"{token['word']} {token['distance']:.4f}") for token in tokens]
            table.add_row(str(index + 1), *cells)
        console().print(table)

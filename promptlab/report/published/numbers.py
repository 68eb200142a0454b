"""The published tables, read into one form."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

VIT = ("ViT-B-16-quickgelu/openai", "ViT-B-16/openai")
RN50 = ("RN50-quickgelu/openai", "RN50/openai")
SELECTED_ON_TEST = "selected on test images by the authors' code"
SELECTED = {("tip_adapter", "imagenet"), ("gda", "imagenet")}
"""Besides all of Tip-Adapter-F's: ImageNet's validation images, on which these search, are its test images."""
UNSURE_INNER = "around KgCoOp, as its paper has it: the source doesn't say"
_MARKS = {"promptkd": ("unlabelled images", SELECTED_ON_TEST), "dept_reprinted_by_skiptuning": (UNSURE_INNER,)}
_RERUN = ("_rerun_by_", "_reprinted_by_")
AROUND = {
    "atprompt_cocoop": "atprompt-cocoop",
    "atprompt_coop": "atprompt-coop",
    "atprompt_dept": "dept-atprompt-coop",
    "atprompt_maple": "atprompt-maple",
    "dept": "dept-coop",
    "dept_reprinted_by_skiptuning": "dept-kgcoop",
}
"""Methods around another one, as promptlab calls the two together."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a paper printed for one method on one dataset.

    Args:
        protocol: name of promptlab's protocol for it.
        backbones: what Results call its backbone.
        method: the method, in promptlab's name for the learner where there is one; with who ran it again.
        learner: what promptlab calls the method alone.
        dataset: its name, or ``average``.
        shots: training images per class; 0 for zero-shot CLIP.
        scores: evaluation set (of few-shot tables ``test``, of transfer the dataset) to percent as printed; base-to-new
            has ``H`` besides.
        source: where it was read, and what is wrong with it.
        marks: what sets it apart, e.g. that it was selected on test images.
    """

    protocol: str
    backbones: tuple[str, ...]
    method: str
    learner: str
    dataset: str
    shots: int
    scores: Mapping[str, float]
    source: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An argument of a learner that published numbers were trained with; an empty protocol or dataset is any."""

    method: str
    protocol: str
    dataset: str
    argument: str
    value: str


@cache
def published() -> tuple[Published, ...]:
    """Every published number of the package.

    Example:
        >>> coop = [row for row in published() if (row.method, row.protocol) == ("coop", "base_to_new")]
        >>> dict(next(row.scores for row in coop if row.dataset == "imagenet"))
        {'base': 76.47, 'new': 67.88, 'H': 71.92}
    """
    return (
        *_base_to_new(),
        *_transfer("cross_dataset", "cross_dataset_vit_b16_16shot"),
        *_transfer("domain_generalization", "domain_generalization_vit_b16_16shot"),
        *_few_shot(),
    )


@cache
def recipes() -> tuple[Recipe, ...]:
    """How the published numbers were trained."""
    return tuple(Recipe(**row) for row in _rows("recipes"))


def _base_to_new() -> Iterator[Published]:
    for row in _rows("base_to_new_vit_b16_16shot"):
        yield Published(
            protocol="base_to_new",
            backbones=VIT,
            method=row["method"],
            learner=_learner(row["method"]),
            dataset=row["dataset"],
            shots=16,
            scores={name: float(row[name]) for name in ("base", "new", "H")},
            source=row["source"],
            marks=_MARKS.get(row["method"], ()),
        )


def _transfer(protocol: str, name: str) -> Iterator[Published]:
    for row in _rows(name):
        yield Published(
            protocol=protocol,
            backbones=VIT,
            method=row["method"],
            learner=_learner(row["method"]),
            dataset=row["dataset"],
            shots=16,
            scores={row["dataset"]: float(row["accuracy"])},
            source=row["source"],
        )


def _few_shot() -> Iterator[Published]:
    for row in _rows("few_shot_rn50"):
        method, dataset = row["method"], row["dataset"]
        on_test = method == "tip_adapter_f" or (method, dataset) in SELECTED
        yield Published(
            protocol="few_shot",
            backbones=RN50,
            method=method,
            learner=_learner(method),
            dataset=dataset,
            shots=int(row["shots"]),
            scores={"test": float(row["accuracy"])},
            source=row["source"],
            marks=(SELECTED_ON_TEST,) if on_test else (),
        )


def _learner(method: str) -> str:
    """What promptlab calls the method, without who ran it again."""
    if method in AROUND:
        return AROUND[method]
    for separator in _RERUN:
        method = method.partition(separator)[0]
    return method


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))

"""Results to test with, made of plain values."""

from __future__ import annotations

from dataclasses import replace

from promptlab.results.document import Result, harmonic_of
from promptlab.results.ids import EvalFacts, FitFacts, eval_id, fit_id
from promptlab.results.schema import (
    EpochRecord,
    EvaluationResult,
    GitCommit,
    Host,
    Metrics,
    Reliability,
    Seconds,
    TrainedParameters,
)

NAMES = ("red star", "blue ring", "green cross", "white square")


def make_fit(**changes):
    facts = FitFacts(
        learner="promptlab.learners.CoOp",
        learner_arguments={"n_ctx": 4, "ctx_init": "a photo of a", "optimizer": {"lr": 0.002, "momentum": 0.9}},
        learner_version=1,
        seed=1,
        class_names=NAMES,
        has_images=(True, True, False, False),
        template="a photo of a {}.",
        train_digest="0123456789abcdef",
        val_digest=None,
        views=16,
        selection="last",
        trainer={"gradient_clip_val": None},
        image_transforms=("eval-32px-0", "train-32px-0"),
        backbone_fingerprint="fedcba9876543210",
        precision="fp32",
    )
    return replace(facts, **changes)


def make_metrics(top1):
    return Metrics(
        top1=top1,
        mean_class_accuracy=top1,
        macro_f1=top1,
        images=100,
        per_class_accuracy=(top1, None),
        per_class_images=(100, 0),
        reliability=Reliability(
            edges=(0.0, 0.5, 1.0),
            count=(0, 100),
            mean_confidence=(None, 0.75),
            accuracy=(None, top1),
            ece=abs(0.75 - top1),
        ),
    )


def make_evaluation(name, fit, top1, zero_shot=0.5, reason=None, items="test items", dataset="demo_shapes"):
    facts = EvalFacts(
        name=name, items_digest=items, class_names=NAMES[:2], template="a photo of a {}.", image_transform="eval-32px-0"
    )
    return EvaluationResult(
        dataset=dataset,
        eval_id=eval_id(fit, facts),
        facts=facts,
        metrics=None if top1 is None else make_metrics(top1),
        reason=reason,
        zero_shot=None if zero_shot is None else make_metrics(zero_shot),
        predictions=None if top1 is None else f"predictions-{name}.safetensors",
    )


def make_result(scores=None, *, seed=1, reasons=None, fit=None, names=("base", "new"), zero_shot=None, **changes):
    """A result with these scores by evaluation set; None stands for a set that can't be scored."""
    scores = {"base": 0.8, "new": 0.6} if scores is None else scores
    fit = make_fit(seed=seed, train_digest=f"{seed:016x}") if fit is None else fit
    identity = fit_id(fit)
    evaluations = {
        name: make_evaluation(name, identity, top1, (zero_shot or {}).get(name, 0.5), (reasons or {}).get(name))
        for name, top1 in scores.items()
    }
    result = Result(
        created="2026-01-31T12:00:00+00:00",
        protocol="base_to_new",
        dataset="demo_shapes",
        learner="coop",
        backbone="demo",
        fit_id=identity,
        fit=fit,
        config={
            "seed": seed,
            "learner": {"n_ctx": 4, "csc": False},
            "trainer": {"precision": None},
            "lrs": [0.1, 1e-5],
        },
        seed=seed,
        shots=16,
        views=16,
        epochs={"context": 2},
        selection="last epoch",
        train_images=64,
        val_images=0,
        evaluations=evaluations,
        harmonic=harmonic_of(evaluations, names if set(names) <= set(evaluations) else None),
        learning_curve=(
            EpochRecord(stage="context", epoch=0, loss=1.5, accuracy=0.25, learning_rate=1e-5),
            EpochRecord(stage="context", epoch=1, loss=None, accuracy=None, learning_rate=0.002),
        ),
        trained_parameters=TrainedParameters(count=2048, shapes={"ctx": (4, 512)}),
        seconds=Seconds(load=0.5, features=1.0, fit=2.0, evaluate=0.25),
        peak_memory_bytes_of_process=1 << 30,
        versions={"promptlab": "0.1.0", "torch": "2.15.0"},
        git=GitCommit(commit="0" * 40, dirty=True),
        host=Host(platform="Linux", python="3.11.7", cpu_count=2, torch_threads=2, device="cpu"),
        notes=("the odd class is base",),
    )
    return replace(result, **changes)

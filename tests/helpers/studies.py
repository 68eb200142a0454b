"""Studies of synthetic Results: learners on datasets at several shots and seeds, with scores that follow a rule."""

from dataclasses import replace

from promptlab.results.ids import fit_id
from tests.helpers.results import make_fit, make_result

GAINS = {"coop": 0.10, "maple": 0.14, "tip_adapter_f": 0.12, "kgcoop": 0.11}


def study(
    datasets=("dtd", "eurosat", "caltech101"),
    learners=("coop", "maple"),
    seeds=(1, 2, 3),
    shots=(16,),
    protocol="few_shot",
    **changes,
):
    """Results of every learner on every dataset, in order."""
    return [
        one(dataset, learner, seed, shot, protocol, place, **changes)
        for place, dataset in enumerate(datasets)
        for learner in learners
        for shot in shots
        for seed in seeds
    ]


def one(dataset, learner, seed, shots, protocol, place, **changes):
    """One run; the learner's gain grows with shots, and seeds and datasets differ by what a test can predict."""
    zero_shot = 0.4 + 0.05 * (place % 7)
    score = zero_shot + GAINS.get(learner, 0.1) * (1 - 0.5 / shots) + 0.01 * ((7 * seed + 3 * place + shots) % 5 - 2)
    fit = make_fit(
        learner=f"promptlab.learners.{learner}",
        seed=seed,
        train_digest=f"{seed}-{dataset}-{shots}",
        learner_arguments={"n_ctx": 4, "name": learner},
    )
    scores = {"test": score} if protocol == "few_shot" else {"base": score, "new": score - 0.05}
    run = make_result(
        scores,
        seed=seed,
        fit=fit,
        zero_shot=dict.fromkeys(scores, zero_shot),
        protocol=protocol,
        dataset=dataset,
        learner=learner,
        shots=shots,
        **changes,
    )
    return replace(at_home(run), fit_id=fit_id(fit))


def at_home(run):
    """The run, its evaluations being of the dataset that it trained on."""
    return replace(
        run, evaluations={name: replace(part, dataset=run.dataset) for name, part in run.evaluations.items()}
    )

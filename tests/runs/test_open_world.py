"""An open-world run from settings to its Result, held against base_to_new and the definitions."""

import pytest
import torch

from promptlab.config.choice import Choice
from promptlab.data import read_features
from promptlab.evaluation.evaluate import logits_of
from promptlab.learners import TipAdapter, ZeroShot
from promptlab.protocols import base_to_new, open_world
from promptlab.runs.run import run
from promptlab.runs.tracker import scores_of
from tests.helpers.settings import FEATURES, small_settings

TIP = Choice(TipAdapter, {"search": False})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("open_world")


def far(name="other"):
    files = {split: str(FEATURES / f"target_{split}.npz") for split in ("train", "val", "test")}
    return Choice(read_features, {"name": name, **files, "class_names": str(FEATURES / "target.txt")})


def settings(folder, targets=(), learner=TIP, **arguments):
    return small_settings(learner, folder, protocol=Choice(open_world, arguments), targets=targets)


def test_it_is_the_fit_and_the_halves_of_base_to_new(folder):
    found = run(settings(folder)).result
    halves = run(small_settings(TIP, folder, protocol=Choice(base_to_new))).result
    assert found.fit_id == halves.fit_id
    assert [found.evaluations[name] for name in ("base", "new")] == [*halves.evaluations.values()]
    assert found.harmonic == halves.harmonic
    assert found.evaluations["joint"].metrics.images == 2 * found.evaluations["base"].metrics.images


def test_openworld_auc_is_that_of_all_pairs(folder):
    outcome = run(settings(folder, learner=Choice(ZeroShot)))
    from promptlab.runs.parts import bind, build_learner, open_parts

    parts = open_parts(settings(folder, learner=Choice(ZeroShot)))
    base, new, _ = parts.task.evaluations
    scorers = [bind(build_learner(parts), parts, part) for part in (base, new)]
    of_base, of_new = (logits_of(scorer, part.items) for scorer, part in zip(scorers, (base, new), strict=True))
    near = logits_of(scorers[0], new.items)
    count = 0
    for row, label in zip(of_base, base.items.labels, strict=True):
        for seen, own, own_label in zip(near, of_new, new.items.labels, strict=True):
            right = int(row.argmax()) == label and int(own.argmax()) == own_label
            count += right and bool(row.double().softmax(0).max() > seen.double().softmax(0).max())
    assert outcome.result.open_world.learner == pytest.approx(count / (len(of_base) * len(of_new)))
    assert scores_of(outcome.result)["OpenworldAUC"] == outcome.result.open_world.learner
    assert outcome.result.open_world.learner == outcome.result.open_world.zero_shot
    assert torch.isfinite(of_base).all()


def test_another_far_dataset_is_added_without_training_and_another_score_replaces(folder):
    alone = run(settings(folder))
    more = run(settings(folder, targets=(far(),)))
    assert more.fresh
    assert more.folder == alone.folder
    assert more.result.learning_curve == alone.result.learning_curve
    kinds = [(part.kind, part.dataset) for part in more.result.open_world.unknown]
    assert kinds == [("near", "source"), ("far", "other")]
    again = run(settings(folder))
    assert not again.fresh
    assert again.result.open_world == more.result.open_world
    other = run(settings(folder, score="energy"))
    assert other.fresh
    assert other.result.evaluations == alone.result.evaluations
    assert [part.kind for part in other.result.open_world.unknown] == ["near"]
    assert other.result.open_world.score == "energy"

"""What a learner becomes for an evaluation."""

from types import SimpleNamespace

import pytest

import promptlab.features.bank as bank
from promptlab.config.settings import ConfigError
from promptlab.learners import ZeroShot
from promptlab.protocols.task import EvaluationSet
from promptlab.runs.parts import bind, build_learner, open_parts, require_scorable
from promptlab.runs.run import run
from promptlab.support.errors import UsageError
from tests.helpers.adapters import unit_batch
from tests.helpers.models import tiny_clip
from tests.helpers.settings import settings_of

NAMES = ("cat", "dog", "tree")


class ToldOfDatasets(ZeroShot):
    """Remembers whose images it is to score."""

    told = ()

    def tested_on(self, dataset, source):
        other = self._relabelled(self.class_names)
        other.told = (dataset, source)
        return other


@pytest.mark.parametrize(
    ("names", "known"), [(("dog", "cat"), (1, 0)), (("cat", "ring"), (0, 3)), (("sun", "moon"), None)]
)
def test_a_learner_is_told_whose_images_are_scored(names, known):
    """Whether its classes are chosen, mixed with others, or all others."""
    clip = tiny_clip()
    parts = SimpleNamespace(known=(0, 1, 2), task=SimpleNamespace(dataset="source"))
    evaluation = EvaluationSet("test", "target", unit_batch(clip, 2), names, "a photo of a {}.", known=known)
    bound = bind(ToldOfDatasets(clip, NAMES), parts, evaluation)
    assert (bound.class_names, bound.told) == (names, ("target", "source"))


def test_a_learner_that_the_task_leaves_nothing_to_is_a_configuration_that_cannot_be(tmp_path):
    words = ["protocol=few_shot", "learner=ship", "dataset=demo_textures", "shots=1", "views=0", f"results={tmp_path}"]
    with pytest.raises(ConfigError, match="every class has images, so SHIP has nothing to synthesise"):
        run(settings_of(words))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("learner", "searched", "without"),
    [
        ("tip_adapter", "alpha and beta", "learner.search=false"),
        ("tip_adapter_f", "alpha and beta", "learner.search=false"),
        ("ape", "alpha and beta", "learner.search=false"),
        ("ape_t", "alpha and beta", "learner.search=false"),
        ("gda", "alpha", "learner.alpha=1"),
        ("linear_probe", "its penalty", "learner.c=1"),
        ("lp_plus_plus", "its epoch", "learner.choose_epoch=false"),
        ("prolip", "a rate and a penalty", None),
        ("transclip_fs", "gamma", None),
    ],
)
def test_a_search_without_validation_images_is_refused_before_anything_is_encoded(
    learner, searched, without, tmp_path, monkeypatch
):
    monkeypatch.setattr(bank, "encode_jobs", lambda *_, **__: pytest.fail("it was encoded"))
    words = [f"learner={learner}", "val=none", "dataset=demo_textures", "shots=1", "views=0", f"results={tmp_path}"]
    searching = ["learner.search=true"] if learner == "prolip" else []
    settings = settings_of([*words, *searching])
    with pytest.raises(UsageError, match=f"searches {searched} on validation images, and there are none: give val=few"):
        run(settings)
    assert not any(tmp_path.iterdir())
    if without is not None:
        parts = open_parts(settings_of([*words, without]))
        require_scorable(build_learner(parts), parts)

"""Settings are made in three lines without Hydra, and refuse what can't be."""

import subprocess
import sys

import pytest

from promptlab.clip import load_clip
from promptlab.config.settings import Choice, ConfigError, Settings
from promptlab.demo import demo_dataset
from promptlab.learners import CoOp, MaPLe, Optim
from promptlab.protocols import few_shot
from promptlab.results.store import read_result
from promptlab.runs.run import run
from tests.helpers.settings import settings_of

DEMO = {
    "backbone": Choice(load_clip, {"name": "demo"}),
    "dataset": Choice(demo_dataset, {"name": "demo_shapes"}),
    "protocol": Choice(few_shot),
}


def test_a_run_is_a_function_of_settings(tmp_path):
    learner = Choice(CoOp, {"n_ctx": 4, "optim": Choice(Optim, {"epochs": 1})})
    settings = Settings(**DEMO, learner=learner, shots=1, views=0, results=str(tmp_path))
    outcome = run(settings)
    assert outcome.folder.parent == tmp_path / "demo_shapes" / "few_shot" / "coop"
    assert read_result(outcome.folder / "result.json").config == settings.as_document()


def test_it_is_the_run_that_a_configuration_makes(tmp_path):
    learner = Choice(CoOp, {"n_ctx": 4, "ctx_init": "a photo of a", "optim": Choice(Optim, {"epochs": 1})})
    by_hand = run(Settings(**DEMO, learner=learner, shots=1, views=0, results=str(tmp_path)))
    overrides = ["learner.ctx_init=a photo of a", "learner.n_ctx=4", "learner.optim.epochs=1", "shots=1", "views=0"]
    composed = run(settings_of(["protocol=few_shot", *overrides, f"results={tmp_path}"]))
    assert not composed.fresh
    assert composed.folder == by_hand.folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shots": 0}, "shots=0: a number from 1"),
        ({"views": "many"}, "views=many: a number from 0"),
        ({"crop_scale": (0.5, 0.1)}, "crop_scale=[0.5, 0.1]: [smallest, largest]"),
        ({"val": "some"}, "val=some: allowed are few, full, none"),
        ({"select": "best"}, "select=best: allowed are last, val"),
        ({"select": "val", "val": "none"}, "select=val needs validation images"),
    ],
)
def test_what_can_not_be_is_refused(change, message):
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        Settings(**DEMO, learner=Choice(CoOp), **change)


def test_a_learner_of_images_draws_its_views_anew():
    assert Settings(**DEMO, learner=Choice(MaPLe), views=16).views == "online"
    assert Settings(**DEMO, learner=Choice(MaPLe), views=0).views == 0


def test_no_hydra_is_needed():
    code = "import sys, promptlab.runs.run; print({'hydra', 'omegaconf'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

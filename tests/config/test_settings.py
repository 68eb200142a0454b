"""Settings are made in three lines without Hydra, and refuse what can't be."""

import re
from dataclasses import replace
from functools import partial

import grimp
import pytest
import torch

from promptlab.clip import load_clip
from promptlab.config.choice import Choice
from promptlab.config.settings import ConfigError, Settings
from promptlab.demo import demo_dataset
from promptlab.learners import MMRL, SHIP, CoOp, MaPLe, Optim, TipAdapter
from promptlab.protocols import few_shot
from promptlab.results.store import read_result
from promptlab.runs.run import run
from promptlab.support.paths import conf_dir
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
        ({"shots": 0}, "shots=0: a whole number from 1 to 1,000,000 or all is needed"),
        ({"views": "many"}, "views='many': a whole number from 0 to 10,000 or online is needed"),
        ({"crop_scale": (0.5, 0.1)}, "crop_scale=[0.5, 0.1]: the smallest share comes first"),
        ({"val": "some"}, "val='some': one of few, shots, full, none"),
        ({"select": "best"}, "select='best': one of last, val"),
        ({"crop_scale": (0.0, 1.0)}, "crop_scale=(0.0, 1.0): a list of the smallest and largest share"),
        ({"crop_scale": (0.5,)}, "a list of the smallest and largest share"),
        ({"shots": True}, "shots=True: a whole number"),
        ({"shots": 10**18}, "shots=1000000000000000000: a whole number"),
        ({"views": 10**9}, "views=1000000000: a whole number from 0 to 10,000"),
        ({"seed": -1}, "seed=-1: a whole number from 0"),
        ({"ckpt_every_s": float("inf")}, "ckpt_every_s=inf: a number from 0 is needed"),
        ({"force": "yes"}, "force='yes': true or false"),
        ({"results": ""}, "results='': a folder is needed"),
        ({"select": "val", "val": "none"}, "select=val needs validation images"),
    ],
)
def test_what_can_not_be_is_refused(change, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        Settings(**DEMO, learner=Choice(CoOp), **change)


def test_a_learner_of_images_draws_its_views_anew():
    assert Settings(**DEMO, learner=Choice(MaPLe), views=16).views == "online"


def test_a_learner_that_keeps_states_has_the_views_that_are_set():
    assert Settings(**DEMO, learner=Choice(MMRL), views=16).views == "online"
    assert Settings(**DEMO, learner=Choice(MMRL, {"keep_states": "fp16"}), views=4).views == 4
    assert Settings(**DEMO, learner=Choice(MaPLe), views=0).views == 0


def test_no_hydra_is_needed():
    graph = grimp.build_graph("promptlab", include_external_packages=True)
    assert graph.find_shortest_chain("promptlab.jobs.launch", "hydra")
    assert not graph.find_shortest_chain("promptlab.runs.run", "hydra")
    assert not graph.find_shortest_chain("promptlab.runs.run", "omegaconf")


VARIANTS = ("ape_published", "ape_t_published", "cross_modal_adapter", "mmrl_pp_published", "prograd_targets",
            "ship_paper_code", "ship_paper_code_imagenet", "tcp_targets", "tpt_coop")  # fmt: skip
"""Other settings of a learner by a name of their own."""


@pytest.mark.parametrize("kind", ["learner", "protocol"])
def test_a_choice_from_python_is_called_as_the_command_line_calls_it(kind):
    for path in sorted((conf_dir() / kind).glob("*.yaml")):
        settings = settings_of([f"{kind}={path.stem}"])
        choice = getattr(settings, kind)
        if path.stem not in VARIANTS:
            assert replace(choice, name="").label == choice.label


def test_settings_that_no_result_could_hold_are_refused_before_anything_is_opened(tmp_path):
    learner = Choice(CoOp, {"n_ctx": torch.tensor(4)})
    with pytest.raises(ConfigError, match=r"can't be kept in a Result: learner\.n_ctx: a Tensor"):
        Settings(**DEMO, learner=learner, results=tmp_path)
    assert not list(tmp_path.iterdir())


def test_python_values_are_written_as_plain_ones(tmp_path):
    learner = Choice(SHIP, {"inner": partial(TipAdapter, search=False)})
    document = Settings(**DEMO, learner=learner, results=tmp_path).as_document()
    assert document["learner"]["inner"] == {
        "_target_": "promptlab.learners.TipAdapter", "_partial_": True, "search": False,
    }  # fmt: skip
    assert document["results"] == str(tmp_path)


def test_an_inner_learner_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="is no learner: a class derived from PromptLearner is needed"):
        Settings(**DEMO, learner=Choice(SHIP, {"inner": Choice(dict, as_factory=True)}))

"""A study's name stands for the words of a sweep, and the words beside it narrow it."""

import pytest

from promptlab.config.check import check
from promptlab.config.compose import composed
from promptlab.config.groups import choices
from promptlab.config.overrides import lists_of, opened, varying
from promptlab.config.studies import expanded, study
from promptlab.support.errors import UsageError
from tests.config.test_recipes import ELEVEN, TARGETS

RUNS = {
    "clip_adapter_few_shot": 165,
    "cocoop_base_to_new": 33,
    "cocoop_cross_dataset": 3,
    "cocoop_domain_generalization": 3,
    "coop_base_to_new": 33,
    "coop_cross_dataset": 3,
    "coop_domain_generalization": 3,
    "coop_domain_generalization_random": 24,
    "coop_few_shot": 165,
    "coop_few_shot_backbones": 825,
    "coop_few_shot_variants": 660,
    "demo_base_to_new": 27,
    "demo_few_shot": 125,
    "kgcoop_base_to_new": 33,
    "kgcoop_cross_dataset": 3,
    "kgcoop_domain_generalization": 3,
    "maple_base_to_new": 33,
    "maple_cross_dataset": 3,
    "maple_domain_generalization": 3,
    "second_generation_base_to_new": 200,
    "second_generation_eurosat": 360,
    "second_generation_few_shot": 585,
    "ship_base_to_new": 11,
    "ship_generalized_zero_shot": 3,
    "tip_adapter_few_shot": 110,
}


def test_every_study_has_its_papers_runs():
    assert {name: study(name).runs for name in choices("study")} == RUNS


def test_coops_curves_are_eleven_datasets_five_shots_three_seeds():
    words = expanded(["study=coop_few_shot"], sweeps=True)
    assert words == ["experiment=coop_few_shot", f"dataset={','.join(ELEVEN)}", "shots=1,2,4,8,16", "seed=1,2,3"]
    assert varying(words) == {"dataset": 11, "shots": 5, "seed": 3}


def test_words_of_the_command_line_take_the_place_of_the_studys():
    words = expanded(["seed=7", "study=coop_few_shot", "++shots=1,16", "learner.n_ctx=4"], sweeps=True)
    left = ["experiment=coop_few_shot", f"dataset={','.join(ELEVEN)}"]
    assert words == [*left, "seed=7", "++shots=1,16", "learner.n_ctx=4"]


@pytest.mark.parametrize(
    ("words", "sweeps", "message"),
    [
        (["study=coop_fewshot"], True, "unknown study coop_fewshot, did you mean coop_few_shot?"),
        (["study=coop_few_shot"], False, "is a sweep of 165 runs: 11 datasets x 5 shots x 3 seeds: add -m"),
        (["study=coop_few_shot,demo_few_shot"], True, "one at a time"),
    ],
)
def test_what_is_no_study_is_refused(words, sweeps, message):
    with pytest.raises(UsageError, match=r".*".join(message.split("?")[0].split())):
        expanded(words, sweeps=sweeps)


def test_no_study_leaves_the_words_as_they_are():
    assert expanded(["shots=1", "study=null"], sweeps=False) == ["shots=1"]


def test_a_plug_ins_study_is_found_and_one_without_a_sweep_refused(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.yaml").write_text("sweep: {learner: mine, learner.csc: [true, false], seed: 1}\n")
    (tmp_path / "study" / "empty.yaml").write_text("about: {summary: nothing}\n")
    assert study("mine", [tmp_path]).words == ["learner=mine", "learner.csc=true,false", "seed=1"]
    assert study("mine", [tmp_path]).size() == "2 runs: 2 values of learner.csc"
    with pytest.raises(UsageError, match="no table `sweep`"):
        study("empty", [tmp_path])


@pytest.mark.parametrize("name", ["tip_adapter_few_shot", "maple_cross_dataset", "coop_domain_generalization_random"])
def test_a_studys_words_compose(name):
    chosen = study(name)
    words = [opened(word) for word in expanded([f"study={name}", "seed=1"], sweeps=True)]
    first = check(composed(next(lists_of(words, sweeps=True))))
    assert first.dataset.arguments["name"] == "imagenet"
    assert tuple(target.arguments["name"] for target in first.targets or ()) == chosen.targets
    assert chosen.targets == TARGETS.get(first.protocol.name, ())

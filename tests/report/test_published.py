from collections import defaultdict
from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from promptlab.report.overall import overall
from promptlab.report.published.beside import beside
from promptlab.report.published.numbers import SELECTED_ON_TEST, UNSURE_INNER, VIT, published, recipes
from promptlab.report.study import sections
from promptlab.results.statistics import harmonic_mean
from promptlab.support.paths import conf_dir
from tests.helpers.results import make_fit, make_result
from tests.helpers.studies import at_home


def of(protocol):
    return [row for row in published() if row.protocol == protocol]


def test_h_is_that_of_base_and_new_but_for_the_named_misprints():
    wrong = [
        (row.method, row.dataset)
        for row in of("base_to_new")
        if abs(harmonic_mean(row.scores["base"], row.scores["new"]) - row.scores["H"]) > 0.011
    ]
    assert wrong == [("rpo", "average")]


def test_averages_are_those_of_the_datasets():
    tables = defaultdict(dict)
    for row in published():
        if row.protocol in ("base_to_new", "cross_dataset"):
            score = row.scores["base"] if row.protocol == "base_to_new" else row.scores[row.dataset]
            tables[row.protocol, row.method][row.dataset] = score
    whole = {key: table for key, table in tables.items() if "average" in table and len(table) > 1}
    assert len(whole) == 15
    for (protocol, _), table in whole.items():
        left_out = {"average", "imagenet"} if protocol == "cross_dataset" else {"average"}
        scores = [score for dataset, score in table.items() if dataset not in left_out]
        assert sum(scores) / len(scores) == pytest.approx(table["average"], abs=0.006)


def test_few_shot_tables_are_whole():
    """GDA's page gives 76.05 for the eleven at 16 shots."""
    gda = [row for row in of("few_shot") if row.method == "gda"]
    assert len({(row.dataset, row.shots) for row in gda}) == len(gda) == 55
    found = [row.scores["test"] for row in gda if row.shots == 16]
    assert sum(found) / len(found) == pytest.approx(76.05, abs=0.005)


def test_both_averages_of_h_of_the_published_coop():
    """CoCoOp's table prints H of the averages, 71.66; the mean of H is 70.83."""
    rows = [row for row in of("base_to_new") if row.method == "coop" and row.dataset != "average"]
    runs = [make_result({k: row.scores[k] / 100 for k in ("base", "new")}, dataset=row.dataset) for row in rows]
    (section,) = sections(runs)
    found = overall(section)[-1].scores
    assert round(100 * found["H of averages"].mean, 2) == 71.66
    assert round(100 * found["mean of H"].mean, 2) == 70.83


def test_what_was_selected_on_test_is_marked():
    marked = {(row.method, row.dataset) for row in published() if SELECTED_ON_TEST in row.marks}
    assert marked >= {("tip_adapter", "imagenet"), ("gda", "imagenet"), ("promptkd", "average")}
    assert {method for method, dataset in marked if dataset == "dtd"} == {"tip_adapter_f"}


def like_the_paper(seed, base=0.82, backbone=VIT[0], **changes):
    arguments = {"ctx_init": "a photo of a", "optim": {"epochs": 200, "batch_size": 32}}
    changes = {"views": "online", "precision": "fp16"} | changes
    fit = make_fit(seed=seed, train_digest=str(seed), learner_arguments=arguments, **changes)
    scores = {"base": base + seed / 1000, "new": 0.4}
    zero_shot = {"base": 0.53, "new": 0.6}
    return at_home(
        make_result(
            scores,
            seed=seed,
            fit=fit,
            dataset="dtd",
            backbone=backbone,
            zero_shot=zero_shot,
            views=changes["views"],
            notes=(),
        )
    )


def test_a_result_like_the_papers_has_no_departures():
    (section,) = sections([like_the_paper(seed) for seed in (1, 2, 3)])
    found = {(one.contestant, one.evaluation): one for one in beside(section)}
    assert set(found) == {(name, part) for name in ("zero-shot", "coop") for part in ("base", "new", "H")}
    base = found["coop", "base"]
    assert base.theirs == 79.44
    assert base.difference == pytest.approx(82.2 - 79.44)
    assert base.departures == ()
    assert base.beyond is True
    assert found["zero-shot", "base"].beyond is None
    assert "CoCoOp" in base.source


def test_what_was_done_otherwise_is_said():
    runs = [like_the_paper(seed, views=16, precision="fp32", selection="val") for seed in (1, 2)]
    (section,) = sections(runs)
    found = next(one for one in beside(section) if one.contestant == "coop")
    assert found.departures == (
        "views=16, published: a new random view at each step",
        "epoch chosen on validation images, published: the last",
        "2 seeds, published: 3",
        "fp32, published: fp16",
    )


def test_other_backbones_and_shots_have_none_beside_them():
    assert beside(sections([like_the_paper(1, backbone="demo")])[0]) == []
    other = make_result({"base": 0.8, "new": 0.6}, dataset="dtd", backbone=VIT[0], shots=4)
    assert {one.contestant for one in beside(sections([other])[0])} == {"zero-shot"}


def test_averages_stand_beside_averages_over_the_same_datasets():
    rows = [row for row in of("base_to_new") if row.method == "coop" and row.dataset != "average"]
    scores = {row.dataset: {name: row.scores[name] / 100 for name in ("base", "new")} for row in rows}
    runs = [at_home(make_result(found, dataset=name, backbone=VIT[0])) for name, found in scores.items()]
    (section,) = sections(runs)
    found = {one.evaluation: one for one in beside(section) if (one.contestant, one.dataset) == ("coop", "average")}
    assert {name: one.theirs for name, one in found.items()} == {"base": 82.69, "new": 63.22, "H": 71.66}
    assert all(abs(one.difference) < 0.006 for one in found.values())
    (fewer,) = sections(runs[1:])
    assert not [one for one in beside(fewer) if one.dataset == "average"]


def test_transfer_leaves_its_source_out_of_the_average():
    rows = [row for row in of("cross_dataset") if row.method == "coop" and row.dataset != "average"]
    names = [row.dataset for row in rows]
    run = make_result(
        {row.dataset: row.scores[row.dataset] / 100 for row in rows},
        protocol="cross_dataset",
        dataset="imagenet",
        backbone=VIT[0],
    )
    run = replace(run, evaluations={name: replace(run.evaluations[name], dataset=name) for name in names})
    (section,) = sections([run])
    (found,) = [one for one in beside(section) if (one.contestant, one.dataset) == ("coop", "average")]
    assert found.theirs == 63.88
    assert abs(found.difference) < 0.006
    own = {one.dataset for one in beside(section) if one.contestant == "coop"}
    assert own == {*names, "average"}


def beside_average(learner, **changes):
    """What stands beside a learner's averages over the eleven datasets."""
    datasets = {row.dataset for row in of("base_to_new")} - {"average"}
    scores = {"base": 0.84, "new": 0.74}
    runs = [
        at_home(make_result(scores, dataset=name, backbone=VIT[0], learner=learner, **changes)) for name in datasets
    ]
    (section,) = sections(runs)
    found = [one for one in beside(section) if (one.dataset, one.evaluation) == ("average", "H")]
    return [one for one in found if one.method != "zero_shot"]


def test_a_method_around_another_stands_beside_the_same_two():
    assert [one.method for one in beside_average("dept-coop")] == ["dept"]
    (reprinted,) = beside_average("dept-kgcoop")
    assert reprinted.method == "dept_reprinted_by_skiptuning"
    assert UNSURE_INNER in reprinted.departures
    assert [one.method for one in beside_average("atprompt-maple")] == ["atprompt_maple"]
    assert beside_average("dept-maple") == []


def test_marked_learners_stand_beside_published_ones_of_the_same_mark():
    (found,) = beside_average("promptkd", marks=("unlabelled images",))
    assert SELECTED_ON_TEST in found.departures
    assert "unlabelled images" not in found.departures, "both have it"
    assert beside_average("coop", marks=("descriptions",)) == []


def test_arguments_of_later_methods_are_compared_too():
    arguments = {"prompt_depth_text": 9, "optim": {"epochs": 5, "batch_size": 4}}
    fit = make_fit(learner_arguments=arguments, views="online", precision="fp16")
    run = make_result({"base": 0.8, "new": 0.7}, dataset="dtd", backbone=VIT[0], learner="promptsrc", fit=fit)
    (section,) = sections([at_home(run)])
    found = next(one for one in beside(section) if one.contestant == "promptsrc")
    assert "optim.epochs=5, published: 20" in found.departures
    assert not any(said.startswith("prompt_depth_text") for said in found.departures)


@pytest.mark.parametrize("method", sorted({recipe.method for recipe in recipes()}))
def test_recipes_name_arguments_that_their_learners_have(method):
    assert method in {row.method for row in published()}
    learner = next(row.learner for row in published() if row.method == method)
    known = OmegaConf.load(conf_dir() / "learner" / f"{learner.partition('-')[0]}.yaml")
    inner = OmegaConf.load(conf_dir() / "learner" / f"{learner.partition('-')[2] or learner}.yaml")
    for argument in {recipe.argument for recipe in recipes() if recipe.method == method}:
        node, keys = (inner, argument[6:]) if argument.startswith("inner.") else (known, argument)
        assert keys.rpartition(".")[2] in (node.optim if keys.startswith("optim.") else node), argument

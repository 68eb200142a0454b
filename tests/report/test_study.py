from dataclasses import replace

import pytest

from promptlab.report.overall import overall, paired_average
from promptlab.report.statistics import mean, mean_interval
from promptlab.report.study import sections
from promptlab.results.statistics import harmonic_mean
from tests.helpers.results import make_fit, make_result
from tests.helpers.studies import at_home, study


def test_few_shot_places_are_datasets():
    (section,) = sections(study(shots=(1, 16)))
    assert (section.protocol, section.backbone, section.headline) == ("few_shot", "demo", "top-1 accuracy")
    assert section.contestants == ["coop", "maple"]
    assert section.places == ["caltech101", "dtd", "eurosat"]
    assert section.shots == [1, 16]
    entry = section.of(16)["coop"]["dtd"]
    assert list(entry.scores) == [1, 2, 3]
    assert entry.mean == entry.row.scores["test"]
    assert entry.zero_shot == pytest.approx(0.4)


def test_h_is_the_headline_where_there_is_one():
    (section,) = sections([make_result({"base": 0.8, "new": 0.6 + seed / 100}, seed=seed) for seed in (1, 2)])
    (entry,) = section.entries
    assert section.headline == "H of top-1 accuracy on base and new"
    assert entry.scores == {1: pytest.approx(harmonic_mean(0.8, 0.61)), 2: pytest.approx(harmonic_mean(0.8, 0.62))}
    assert entry.mean == entry.row.mean_of_seed_h


def test_targets_are_places_named_by_source_where_there_are_several():
    def transferred(source):
        run = make_result({source: 0.9, "dtd": 0.5, "eurosat": 0.4}, protocol="cross_dataset", dataset=source)
        return replace(run, evaluations={name: replace(part, dataset=name) for name, part in run.evaluations.items()})

    (section,) = sections([transferred("imagenet")])
    assert section.places == ["dtd", "eurosat"]
    (section,) = sections([transferred("imagenet"), transferred("caltech101")])
    assert section.places[0] == "caltech101 → dtd"
    assert len(section.places) == 4


def test_contestants_are_named_alike_on_every_dataset():
    """n_ctx tells two apart on one dataset; the one that is on both has one name."""
    runs = [
        at_home(make_result({"test": 0.5}, dataset=dataset, fit=make_fit(learner_arguments={"n_ctx": n_ctx})))
        for dataset, n_ctx in (("dtd", 4), ("dtd", 16), ("eurosat", 4))
    ]
    (section,) = sections(runs)
    assert section.contestants == ["coop (n_ctx=16)", "coop (n_ctx=4)"]
    assert set(section.of(16)["coop (n_ctx=4)"]) == {"dtd", "eurosat"}


def test_long_settings_are_letters_with_a_legend():
    runs = [
        make_result({"test": 0.5}, fit=make_fit(learner_arguments={"ctx_init": words}))
        for words in ("a drawing of an object like", "a painting of an object like this")
    ]
    (section,) = sections([*runs, make_result({"test": 0.5}, views=0, fit=make_fit(views=0))])
    assert section.contestants == ["coop (a)", "coop (b)", "coop (c)"]
    assert any("views=0" in setting for setting in section.legend.values())


def test_marked_runs_are_other_contestants():
    marked = make_result({"test": 0.6}, marks=("transductive",))
    (section,) = sections([make_result({"test": 0.5}), marked])
    assert section.contestants == ["coop", "coop [transductive]"]


def test_the_interval_of_an_average_is_of_paired_seeds():
    """Datasets that go up and down together leave more spread than those that cancel out."""
    together = [{1: 0.5, 2: 0.6, 3: 0.7}, {1: 0.6, 2: 0.7, 3: 0.8}]
    cancelling = [{1: 0.5, 2: 0.6, 3: 0.7}, {1: 0.8, 2: 0.7, 3: 0.6}]
    assert paired_average(together) == mean_interval([0.55, 0.65, 0.75])
    assert paired_average(cancelling).half_width == pytest.approx(0)
    partly = paired_average([{1: 0.5, 2: 0.6, 3: 0.9}, {1: 0.6, 2: 0.7}])
    assert partly.half_width == pytest.approx(mean_interval([0.55, 0.65]).half_width)
    assert paired_average([{1: 0.4, 2: 0.6}, {3: 0.7}]).mean == pytest.approx(0.6)


def test_both_averages_of_h():
    runs = study(protocol="base_to_new")
    (section,) = sections(runs)
    zero_shot, coop, maple = overall(section)
    assert list(coop.scores) == ["base", "new", "mean of H", "H of averages"]
    own = [run for run in runs if run.learner == "coop"]
    base = mean([run.evaluations["base"].metrics.top1 for run in own])
    new = mean([run.evaluations["new"].metrics.top1 for run in own])
    assert coop.scores["base"].mean == pytest.approx(base)
    assert coop.scores["H of averages"].mean == pytest.approx(harmonic_mean(base, new))
    assert coop.scores["mean of H"].mean == pytest.approx(mean([run.harmonic.learner for run in own]))
    per_seed = [mean([run.harmonic.learner for run in own if run.seed == seed]) for seed in (1, 2, 3)]
    assert coop.scores["mean of H"].half_width == pytest.approx(mean_interval(per_seed).half_width)
    assert zero_shot.contestant == "zero-shot"
    assert zero_shot.scores["mean of H"].mean == pytest.approx(0.45)
    assert (maple.places, maple.seeds) == (3, (1, 2, 3))


def test_an_average_over_other_datasets_is_not_made():
    runs = [run for run in study() if (run.learner, run.dataset) != ("maple", "dtd")]
    (section,) = sections(runs)
    found = {row.contestant: row for row in overall(section)}
    assert found["maple"].scores == {}
    assert found["maple"].missing == "no score at dtd"
    assert found["coop"].scores["mean"].n == 3
    assert overall(sections(study(datasets=("dtd",)))[0]) == []

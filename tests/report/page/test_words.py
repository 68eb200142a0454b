from promptlab.report.collection import Collection
from promptlab.report.comparison import comparisons
from promptlab.report.page.gaps import gaps
from promptlab.report.page.words import findings
from promptlab.report.study import sections
from promptlab.report.undone import UndoneRun, UndoneSweep
from tests.helpers.results import make_result
from tests.helpers.studies import at_home, study


def said(runs):
    (section,) = sections(runs)
    return " ".join(findings(section, comparisons(section)))


def test_who_leads_by_how_much_and_whether_that_is_sure():
    found = said(study())
    assert found.startswith(
        "maple has the highest top-1 accuracy, averaged over 3 datasets, at 16 shots: 58.45 % (± 1.72 over 3 seeds), "
        "3.88 points above coop."
    )
    assert "It is 13.45 points above zero-shot CLIP (paired t-test, p = 0.0018 after Holm's correction)." in found


def test_a_lead_without_spread_is_not_called_sure():
    """The helper's learners differ by the same on every seed, which no test can judge."""
    assert "Whether other seeds would say the same wasn't tested: every pair differs by the same" in said(study())


def test_one_seed_says_that_it_cannot_be_tested():
    found = said(study(seeds=(1,)))
    assert "(one seed, no interval)" in found
    assert "wasn't tested: one pair can't be tested." in found


def test_chance_is_called_chance():
    def scores(learner, values):
        return [make_result({"test": value}, learner=learner, seed=seed) for seed, value in enumerate(values)]

    found = said([*scores("coop", (0.70, 0.60, 0.65)), *scores("maple", (0.66, 0.70, 0.61))])
    assert "the lead can't be told from chance (paired t-test, p = " in found
    found = said([*scores("coop", (0.70, 0.60, 0.65)), *scores("maple", (0.901, 0.80, 0.852))])
    assert "Over 3 paired seeds the lead is larger than chance" in found


def test_losses_against_zero_shot_are_named():
    found = said([make_result({"test": 0.4}), make_result({"test": 0.6}, learner="maple")])
    assert "Below zero-shot CLIP: coop on demo_shapes." in found


def test_who_lacks_a_dataset_does_not_lead():
    runs = [run for run in study() if (run.learner, run.dataset) != ("maple", "dtd")]
    found = said(runs)
    assert found.startswith("coop reaches")
    assert "Not scored on all 3 datasets, so without an average: maple." in found


def test_a_single_run():
    assert said([make_result({"test": 0.6})]).startswith(
        "coop reaches 60.00 % (one seed, no interval) on demo_shapes, at 16 shots (top-1 accuracy)."
    )
    assert said([make_result({"test": None}, reasons={"test": "no images"})]) == "Nothing was scored."


def missing(runs, **changes):
    nothing = {"folders": {}, "damaged": {}, "unfinished": [], "failed": {}}
    return gaps(Collection(results=runs, **(nothing | changes)), sections(runs))


def test_gaps():
    assert missing(study()) == []
    lacking = [run for run in study() if (run.learner, run.dataset, run.seed) != ("maple", "dtd", 2)]
    assert missing(lacking) == ["few_shot on demo, without seed 2: dtd maple at 16 shots"]
    lacking = [run for run in study() if (run.learner, run.dataset) != ("maple", "dtd")]
    assert missing(lacking) == ["few_shot on demo, maple has no run on dtd at 16 shots"]
    reasons = [make_result({"base": 0.5, "new": None}, reasons={"new": "no images"})]
    assert missing(reasons) == ["base_to_new on demo, demo_shapes, coop, at 16 shots: new: no images"]
    assert "can't be read and was skipped: broken" in missing(study(), damaged={"x/result.json": "broken"})[0]
    assert missing(study(), failed={"results/y": "ValueError: no"}) == ["results/y failed: ValueError: no"]
    assert "the same command goes on" in missing(study(), unfinished=["results/x"])[0]


def test_marks_go_wherever_the_name_goes():
    found = said([make_result({"test": 0.7}, learner="tpt", marks=("test_time",)), make_result({"test": 0.6})])
    assert found.startswith("tpt [test_time] has the highest top-1 accuracy")
    assert "tpt [test_time] is marked, so it doesn't compare with learners that aren't; of those coop is" in found
    alone = said([make_result({"test": 0.7}, learner="tpt", marks=("test_time",))])
    assert "doesn't compare with learners that aren't." in alone


def test_level_is_called_level():
    assert "level with coop." in said(
        [make_result({"test": 0.7}), make_result({"test": 0.70001}, learner="maple")][::-1]
    )


def test_few_datasets_are_called_too_few():
    runs = study(protocol="base_to_new")
    assert "3 datasets are too few to say what others would: with 3 pairs Wilcoxon's p is never below 0.25." in said(
        runs
    )
    many = said([run for run in study(datasets=[f"d{n}" for n in range(8)], protocol="base_to_new")])
    assert "Over 8 datasets it is larger than chance (Wilcoxon's p = 0.023 after Holm's correction)." in many
    alone = said(study(learners=("coop",)))
    assert alone.startswith("coop reaches 54.58 % (± 1.72 over 3 seeds), averaged over 3 datasets, at 16 shots (top-1")


def test_zero_shot_alone_lacks_no_seeds():
    runs = [at_home(make_result({"test": 0.5}, learner="zero_shot", protocol="few_shot", dataset="dtd"))]
    assert said(runs) == "zero_shot reaches 50.00 % (one seed, no interval) on dtd, at 16 shots (top-1 accuracy)."
    assert missing([*runs, *study(datasets=("dtd",), shots=(1, 16))]) == []


def test_a_failure_is_told_of_once():
    failed = {"a": "promptlab.x.YError: the loss is nan", "b": "ValueError: no images", "c": "ValueError: no images"}
    runs = tuple(
        UndoneRun(state="failed", settings="", command="", error=error) for error in ("the loss is nan", "no images")
    )
    sweep = UndoneSweep(folder="s", total=3, runs=runs, command="")
    found = missing(study(), failed=failed, sweeps=[sweep])
    assert found == [sweep.sentence, "c failed: ValueError: no images"]

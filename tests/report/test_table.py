import re
from dataclasses import replace

import pytest
from rich.console import Console

from promptlab.report.table import run_table, sweep_table
from promptlab.results.schema import Calibration, SeenUnseenCurve
from tests.helpers.results import make_fit, make_result

DATASETS = ("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "dtd", "eurosat")


def shown(renderable, width=80):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    return text


def line_of(text, begin):
    (line,) = (line for line in text.splitlines() if line.strip().startswith(begin))
    return line.split()


def sweep(scores=None, **changes):
    scores = scores or {"base": 0.8, "new": 0.6}
    return [
        make_result({name: score + seed / 100 for name, score in scores.items()}, seed=seed, **changes)
        for seed in (1, 2, 3)
    ]


def test_a_run_beside_zero_shot():
    text = shown(run_table(make_result()))
    assert line_of(text, "learner") == ["learner", "base", "new", "H"]
    assert line_of(text, "zero-shot") == ["zero-shot", "50.00", "50.00", "50.00"]
    assert line_of(text, "coop") == ["coop", "80.00", "60.00", "68.57"]
    for fact in ("demo_shapes, base_to_new", "backbone demo", "shots 16", "seed 1", "selection last epoch", "percent"):
        assert fact in text


def test_a_missing_score_shows_a_dash_and_its_reason_below():
    text = shown(run_table(make_result({"base": 0.8, "new": None}, reasons={"new": "no [bold]images[/bold]"})))
    assert line_of(text, "coop") == ["coop", "80.00", "–", "–"]
    assert "new: no [bold]images[/bold]" in text


def test_many_evaluation_sets_are_rows():
    text = shown(run_table(make_result(dict.fromkeys(DATASETS, 0.6), protocol="cross_dataset")), width=50)
    assert line_of(text, "coop") == ["coop", "imagenet", "50.00", "60.00"]
    assert line_of(text, "dtd") == ["dtd", "50.00", "60.00"]


def test_a_sweep_shows_means_intervals_and_both_h():
    text = shown(sweep_table(sweep()))
    assert "seeds 1-3" in text
    assert line_of(text, "zero-shot") == ["zero-shot", "50.00", "50.00", "50.00"]
    assert line_of(text, "coop") == ["coop", "82.00", "±2.48", "62.00", "±2.48", "70.61", "±2.53", "70.61"]
    assert "averaged over seeds" in text
    assert "H of means: harmonic mean of the means over seeds" in text
    assert "Student-t" in text


def test_a_single_seed_has_no_interval():
    text = shown(sweep_table([make_result()]))
    assert "±" not in text
    assert line_of(text, "coop") == ["coop", "80.00", "60.00", "68.57"]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_number_is_ever_cut(width):
    results = sweep() + sweep(shots=4, learner="clip_adapter", dataset="fgvc_aircraft", views="online")
    text = shown(sweep_table(results), width)
    numbers = re.findall(r"[\d.]+", text)
    for number in ("82.00", "2.48", "62.00", "70.61"):
        assert numbers.count(number) >= 2
    assert "…" not in text


def test_rows_that_look_alike_get_a_letter_and_their_difference_below():
    other = [make_result(seed=1, fit=make_fit(learner_arguments={"n_ctx": n})) for n in (4, 16)]
    text = shown(sweep_table(other))
    letters = re.findall(r"^ coop \((\w)\)", text, re.MULTILINE)
    assert letters == ["a", "b"]
    assert sorted(re.findall(r"demo_shapes coop \(\w\): (.*)", text)) == ["n_ctx=16", "n_ctx=4"]


def test_a_zero_shot_line_for_each_dataset_and_backbone():
    results = sweep() + sweep(dataset="dtd") + sweep(backbone="ViT-B-16/openai", fit=None)
    text = shown(sweep_table(results), 140)
    assert text.count("zero-shot") == 3
    for heading in ("dtd, demo", "demo_shapes, ViT-B-16/openai", "demo_shapes, demo"):
        assert heading in text


def test_rows_of_more_seeds_and_fewer_share_a_zero_shot_line():
    five = [make_result(seed=seed, zero_shot={"base": 606 / 1440, "new": 601 / 1440}) for seed in range(1, 6)]
    one = replace(five[0], learner="cocoop", fit_id="another")
    assert shown(sweep_table([*five, one, replace(one, learner="tcp", shots=4)])).count("zero-shot") == 1


def test_a_table_per_protocol():
    text = shown(sweep_table(sweep({"test": 0.7}, protocol="few_shot", dataset="eurosat") + sweep()))
    assert text.index("demo_shapes, base_to_new") < text.index("eurosat, few_shot")
    assert "72.00 ±2.48" in text


def test_reasons_stand_under_a_sweep():
    results = [make_result({"base": 0.8, "new": None}, seed=s, reasons={"new": "no images"}) for s in (1, 3)]
    text = shown(sweep_table(results))
    assert "demo_shapes coop at 16 shots: new: no images" in text
    assert "seeds 1,3" in text


def test_no_results():
    assert shown(sweep_table([])) == "no results\n"


def test_targets_have_a_mean_of_their_own():
    names = ("imagenet", "dtd", "eurosat")
    runs = [transferred({"imagenet": 0.7, "dtd": 0.4 + seed / 100, "eurosat": 0.6}, seed=seed) for seed in (1, 2, 3)]
    assert line_of(shown(run_table(runs[0])), "coop") == ["coop", "70.00", "41.00", "60.00", "50.50"]
    text = shown(sweep_table(runs), width=100)
    assert line_of(text, "learner") == ["learner", *names, "targets"]
    assert line_of(text, "coop")[-2:] == ["51.00", "±1.24"]
    assert "targets: mean over the target datasets" in text
    alone = transferred({"imagenet": 0.7, "dtd": 0.4}, seed=1)
    assert "targets" not in shown(run_table(alone))


def transferred(scores, seed, **changes):
    """A result of cross-dataset transfer from imagenet."""
    run = make_result(scores, seed=seed, protocol="cross_dataset", dataset="imagenet", **changes)
    parts = {name: replace(part, dataset=name) for name, part in run.evaluations.items()}
    return replace(run, evaluations=parts)


def test_a_target_without_a_score_leaves_no_mean():
    run = transferred({"imagenet": 0.7, "dtd": None, "eurosat": 0.6}, seed=1, reasons={"dtd": "no images"})
    assert line_of(shown(run_table(run)), "coop") == ["coop", "70.00", "–", "60.00", "–"]


@pytest.mark.parametrize("calibrated", [True, False])
def test_curves_and_calibrated_scores_are_columns(calibrated):
    def curve(seed):
        chosen = Calibration(bias=0.5, fit_id="0" * 16, seen=0.6, unseen=0.5, harmonic=0.54 + seed / 100)
        return SeenUnseenCurve(
            bias=(0.0,), seen=(0.6,), unseen=(0.4,), area=0.3, calibration=chosen if calibrated else None
        )

    scores = {"seen": 0.7, "unseen": 0.4}
    runs = [make_result(scores, seed=seed, names=("seen", "unseen"), seen_unseen=curve(seed)) for seed in (1, 2, 3)]
    text = shown(sweep_table(runs), width=110)
    assert ("H biased" in text) == calibrated
    line = line_of(text, "coop")
    assert line[-2:] == ["30.00", "±0.00"]
    assert line[-4:-2] == (["56.00", "±2.48"] if calibrated else ["±0.00", "50.91"])
    assert "chosen on held-out seen classes" in shown(run_table(runs[0])) or not calibrated

"""What figures draw is what the results say; how they look was looked at (experiments/report)."""

import pytest

from promptlab.report.figures.base_new import base_against_new
from promptlab.report.figures.classes import class_gains, gains_by_class
from promptlab.report.figures.costs import accuracy_against_cost
from promptlab.report.figures.curves import learning_curves, seen_unseen_curves
from promptlab.report.figures.every import drawings, looks_of
from promptlab.report.figures.gains import gain_bars
from promptlab.report.figures.reliability import pooled, reliability_diagrams
from promptlab.report.figures.shots import shot_curves
from promptlab.report.figures.style import COLOURS, Drawing, leading, looks
from promptlab.report.study import sections
from promptlab.results.schema import EpochRecord, Reliability, SeenUnseenCurve
from tests.helpers.results import make_result
from tests.helpers.studies import at_home, study


def drawn(kind, runs, **options):
    (section,) = sections(runs)
    found = kind(section, looks(section.contestants), **options)
    return None if found is None else (found.draw(6.75), found)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_curves_over_shots():
    runs = study(shots=(1, 4, 16))
    figure, drawing = drawn(shot_curves, runs)
    average, *places = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["average", "caltech101", "dtd", "eurosat"]
    (section,) = sections(runs)
    coop = lines(places[1])["coop"]
    assert list(coop.get_xdata()) == [1, 4, 16]
    expected = [100 * section.of(shots)["coop"]["dtd"].mean.mean for shots in (1, 4, 16)]
    assert list(coop.get_ydata()) == pytest.approx(expected)
    assert lines(places[1])["zero-shot"].get_ydata()[0] == pytest.approx(40)
    assert lines(average)["zero-shot"].get_ydata()[0] == pytest.approx(45)
    assert len(average.collections) == 2  # a band each
    assert "zero-shot CLIP" in drawing.caption


def test_zero_shot_clip_run_as_a_learner_is_drawn_once():
    changes = {"learner": "zero_shot", "protocol": "few_shot"}
    alike = [make_result({"test": 0.5}, zero_shot={"test": 0.5}, **changes, shots=n) for n in (1, 4)]
    figure, _ = drawn(shot_curves, [*study(datasets=("demo_shapes",), shots=(1, 4)), *map(at_home, alike)])
    assert set(lines(figure.axes[0])) == {"zero-shot", "coop", "maple"}
    assert drawn(shot_curves, alike) is None
    other = [make_result({"test": 0.6}, zero_shot={"test": 0.5}, **changes, shots=n) for n in (1, 4)]
    assert "zero_shot" in lines(drawn(shot_curves, other)[0].axes[0])


def test_one_number_of_shots_has_no_curve():
    assert drawn(shot_curves, study()) is None


def test_base_against_new_with_its_baseline():
    figure, _ = drawn(base_against_new, study(protocol="base_to_new"))
    (axes,) = figure.axes
    assert axes.get_xlabel() == "base (%)"
    points = {container.get_label(): container.lines[0].get_xydata()[0] for container in axes.containers}
    assert set(points) == {"coop", "maple"}
    assert points["coop"][0] - points["coop"][1] == pytest.approx(5)
    assert drawn(base_against_new, study()) is None


def test_bars_of_gains():
    figure, _ = drawn(gain_bars, study())
    (axes,) = figure.axes
    bars = {container.get_label(): [bar.get_width() for bar in container] for container in axes.containers[1::2]}
    (section,) = sections(study())
    gains = {
        name: sorted(100 * (entry.mean.mean - entry.zero_shot) for entry in found.values())
        for name, found in section.of(16).items()
    }
    assert {name: sorted(widths) for name, widths in bars.items()} == {
        name: pytest.approx(found) for name, found in gains.items()
    }


def test_cost_has_a_point_a_learner():
    figure, _ = drawn(accuracy_against_cost, study())
    assert [axes.get_xlabel() for axes in figure.axes] == ["trained parameters", "training seconds"]
    assert [container.lines[0].get_xdata()[0] for container in figure.axes[1].containers] == [2.0, 2.0]
    assert drawn(accuracy_against_cost, study(learners=("coop",))) is None


def test_learning_and_trade_off_curves():
    records = tuple(
        EpochRecord(stage=stage, epoch=epoch, loss=2.0 - epoch / 2, accuracy=None, learning_rate=None)
        for stage in ("one", "two")
        for epoch in range(2)
    )
    figure, _ = drawn(learning_curves, [make_result(learning_curve=records)])
    run, boundary = figure.axes[0].lines
    assert list(run.get_ydata()) == [2.0, 1.5, 2.0, 1.5]
    assert boundary.get_xdata()[0] == 2.5
    assert drawn(learning_curves, [make_result()]) is None
    curve = SeenUnseenCurve(bias=(0.0, 1.0), seen=(0.6, 0.5), unseen=(0.4, 0.5), area=0.3)
    figure, _ = drawn(seen_unseen_curves, [make_result(seen_unseen=curve)])
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[40, 60], [50, 50]]


def test_reliability_pools_images_not_runs():
    def part(count, confidence, accuracy):
        bins = {"count": (0, count), "mean_confidence": (None, confidence), "accuracy": (None, accuracy)}
        return Reliability(edges=(0.0, 0.5, 1.0), ece=0, **bins)

    found = pooled([part(100, 0.8, 0.6), part(300, 0.9, 0.9)])
    assert found.bins == {1: (pytest.approx(0.875), pytest.approx(0.825), 1.0)}
    assert found.ece == pytest.approx(0.05)
    assert pooled([]) is None
    figure, _ = drawn(reliability_diagrams, study())
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["zero-shot", "coop", "maple"]


def test_gains_per_class():
    (section,) = sections([make_result({"test": 0.8}, seed=seed) for seed in (1, 2)])
    assert gains_by_class(section.rows[0], "test") == [("red star", pytest.approx(30))]
    figure, drawing = drawn(class_gains, study())
    assert len(figure.axes) == 3
    assert drawing.caption.startswith("Accuracy of maple per class")


def test_names_are_text():
    """A $ starts no formula, and markup stays what it is."""
    runs = [make_result({"test": 0.5}, learner=name) for name in (r"$\frac{a}{", "<b>&amp;")]
    (section,) = sections(runs)
    found = gain_bars(section, looks(section.contestants))
    svg = found.svg(3.25)
    assert r"$\frac{a}{" in svg
    assert "&lt;b&gt;&amp;amp;" in svg


def test_files_in_every_size_and_format_and_the_same_again(tmp_path):
    (section,) = sections(study(datasets=("dtd",), seeds=(1,)))
    drawing = gain_bars(section, looks(section.contestants))
    paths = drawing.write(tmp_path)
    assert {path.name for path in paths} == {
        f"few-shot-demo-gains-{size}.{form}" for size in ("one_column", "two_columns") for form in ("svg", "pdf", "png")
    }
    first = {path: path.read_bytes() for path in paths}
    drawing.write(tmp_path)
    assert {path: path.read_bytes() for path in paths} == first
    assert first[tmp_path / "few-shot-demo-gains-one_column.pdf"].startswith(b"%PDF")
    assert b"<text" not in first[tmp_path / "few-shot-demo-gains-one_column.svg"]
    assert "<text" in drawing.svg(3.25)


def test_every_figure_has_a_name_of_its_own():
    for runs in (study(shots=(1, 16)), study(protocol="base_to_new")):
        (section,) = sections(runs)
        found = drawings(section, [], looks(section.contestants))
        assert all(isinstance(drawing, Drawing) and drawing.caption for drawing in found)
        assert len({drawing.name for drawing in found}) == len(found) >= 6


def test_a_single_run_has_figures():
    (section,) = sections([make_result({"test": 0.5})])
    found = drawings(section, [], looks_of([section]))
    assert {drawing.title for drawing in found} >= {"Gain over zero-shot CLIP", "Reliability"}


def test_looks_stay_apart():
    names = [f"learner{number}" for number in range(20)]
    found = looks(names)
    assert len({(look.color, look.marker) for look in found.values()}) == 21
    assert found["learner0"].color == COLOURS[0]
    assert leading({"a": 0.1, "b": 0.3, "c": 0.2}, most=2) == ["b", "c"]


def test_drawn_together_colours_differ():
    (section,) = sections(study(datasets=("dtd",), learners=[f"learner{n}" for n in range(11)] + ["maple"]))
    figure = gain_bars(section, looks_of([section])).draw(3.25)
    colours = [container[0].get_facecolor() for container in figure.axes[0].containers[1::2]]
    assert len(set(colours)) == len(colours) == 4


@pytest.mark.parametrize("width", [3.25, 6.75])
@pytest.mark.filterwarnings("error")
def test_long_names_find_room(width):
    names = ("a_learner_with_a_very_long_name_of_its_own", "maple", *(f"learner{n}" for n in range(8)))
    (section,) = sections(study(datasets=("dtd", "a dataset with quite a long name"), learners=names, shots=(1, 16)))
    for drawing in drawings(section, [], looks_of([section])):
        assert "<text" in drawing.svg(width)  # matplotlib warns where what is around axes leaves them no room


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_are_left_to_the_browser():
    (section,) = sections([at_home(make_result({"test": 0.7}, dataset="猫与狗"))])
    assert "猫与狗" in gain_bars(section, looks_of([section])).svg(3.25)

"""Thresholds by held-out pictures, some of them of none of the classes."""

import numpy as np
import pytest

from promptlab.cli._held_out import HeldOut
from promptlab.support.errors import UsageError

KNOWN = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.2, 0.5], [0.6, 0.4, 0.0]]
"""Two right ones, one taken for "other", one for the wrong class."""
NEGATIVE = [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.5, 0.3, 0.2]]


def held_out(known=KNOWN, negative=NEGATIVE):
    return HeldOut(
        probabilities=np.array([*known, *negative], np.float32),
        labels=np.array([0, 1, 1, 1, *[2] * len(negative)]),
        class_names=("a", "b", "other"),
        is_other=np.array([False, False, True]),
    )


@pytest.mark.parametrize(
    ("coverage", "threshold", "named", "alarms"),
    [(0.5, 0.7, "50%", "33%"), (0.75, 0.6, "75%", "33%"), (1, 0, "75%", "67%")],  # one is "other" by any threshold
)
def test_coverage_is_of_the_pictures_of_classes(coverage, threshold, named, alarms):
    found, said = held_out().threshold(coverage=coverage, false_alarms=None)
    assert found == pytest.approx(threshold)
    assert f": {named} of 4 held-out pictures get a name, " in said
    assert said.endswith(f"; {alarms} of 3 pictures of other things do")


@pytest.mark.parametrize(("rate", "least", "named"), [(0, 0.8, 1), (0.34, 0.5, 3), (1, 0, 3)])
def test_false_alarms_are_negatives_that_get_a_class_s_name(rate, least, named):
    found, said = held_out().threshold(coverage=None, false_alarms=rate)
    assert found == pytest.approx(least)
    assert f": {named / 4:.0%} of 4 held-out pictures get a name, " in said


def test_what_no_threshold_does_is_said():
    with pytest.raises(UsageError, match="--negatives FOLDER"):
        held_out(negative=[]).threshold(coverage=None, false_alarms=0.1)
    with pytest.raises(UsageError, match="probability of 1"):
        held_out(negative=[[1.0, 0.0, 0.0]]).threshold(coverage=None, false_alarms=0.1)


def test_sets_say_how_large_they_are_and_which_pictures_are_too_few():
    # of (7 + 1) x 0.5 own probabilities the fourth smallest is 0.4
    least, said = held_out().least_of_sets(0.5, each_class=False)
    assert least == pytest.approx(0.4)
    assert said == "sets of 1.1 of 3 classes on average over the held-out pictures"  # 1, 1, 1, 2, 1, 1, 1
    least, said = held_out().least_of_sets(0.5, each_class=True)  # of one, three and three pictures
    assert least == pytest.approx([0.9, 0.4, 0.2])
    assert said == "sets of 0.9 of 3 classes on average over the held-out pictures"  # 1, 1, 1, 1, 1, 0, 1
    least, said = held_out().least_of_sets(0.75, each_class=True)  # takes three pictures
    assert least == pytest.approx([0, 0.2, 0.1])
    assert said.endswith("; all hold a: 0.75 needs 3 held-out pictures of a class")
    least, said = held_out().least_of_sets(0.9, each_class=False)
    assert least == 0
    assert said.endswith("sets of 3.0 of 3 classes on average over the held-out pictures; all hold every class: "
                         "0.9 needs 9 held-out pictures")  # fmt: skip

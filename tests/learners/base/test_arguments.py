"""Ranges that a learner declares hold for it wherever its arguments come from, in plug-ins and their subclasses too."""

from typing import Annotated

import pytest
from annotated_types import Interval

from promptlab import PromptLearner
from promptlab.clip import load_clip
from promptlab.config.choices import choice_of
from promptlab.config.settings import ConfigError
from promptlab.learners import ZeroShot

NAMES = ("red ring", "blue star")


class Declared(ZeroShot):
    def __init__(self, clip, class_names, *, low: Annotated[int, Interval(ge=0, le=9)] = 0, high: int = 5) -> None:
        super().__init__(clip, class_names)
        self.between = (low, high)

    @classmethod
    def check_together(cls, arguments):
        if arguments.get("low", 0) > arguments.get("high", 5):
            raise ValueError(f"low={arguments['low']} is above high={arguments['high']}")


class PassesOn(Declared):
    def __init__(self, clip, class_names, *, word: str = "", **rest) -> None:
        super().__init__(clip, class_names, **rest)
        self.word = word


@pytest.fixture(scope="module")
def clip():
    return load_clip("demo")


@pytest.mark.parametrize("kind", [Declared, PassesOn])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": -1}, r"Declared\(low=-1\): a whole number from 0 to 9 is needed"),
        ({"low": 2.0}, r"Declared\(low=2.0\): a whole number from 0 to 9 is needed"),
        ({"high": "5"}, r"Declared\(high='5'\): a whole number is needed"),
        ({"low": 7}, "low=7 is above high=5"),
    ],
)
def test_what_a_class_declares_is_checked_as_it_is_made(clip, kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(clip, NAMES, **arguments)


def test_what_is_in_range_is_made(clip):
    assert PassesOn(clip, NAMES, low=3, high=4, word="x").between == (3, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 10}, r"learner\.low=10: a whole number from 0 to 9 is needed"),
        ({"low": 7, "high": 6}, "learner: low=7 is above high=6"),
    ],
)
def test_a_command_line_is_checked_by_the_same_declaration(arguments, message):
    with pytest.raises(ConfigError, match=message):
        choice_of({"_target_": f"{__name__}.Declared", **arguments}, "learner")


def test_a_sloppy_annotation_does_not_forbid_its_own_default(clip):
    class Sloppy(PromptLearner):
        def __init__(self, clip, class_names, *, template: str = None):  # noqa: RUF013
            super().__init__(clip, class_names)

        def forward(self, inputs):
            return inputs

        def fit_plan(self):
            return []

    assert Sloppy(clip, NAMES, template=None).arguments == {"template": None}

"""Backbones and datasets are kept between runs, and never mistaken for each other."""

from promptlab.config.settings import Choice
from promptlab.demo import demo_dataset
from promptlab.runs import session


def test_equal_choices_are_opened_once():
    choices = [Choice(demo_dataset, {"name": "demo_textures"}) for _ in range(2)]
    assert session.dataset(choices[0]) is session.dataset(choices[1])


def test_two_functions_of_one_name_are_two_datasets():
    shapes, textures = (Choice(lambda name=name: demo_dataset(name)) for name in ("demo_shapes", "demo_textures"))
    assert session.dataset(shapes).name == "demo_shapes"
    assert session.dataset(textures).name == "demo_textures"


def test_arguments_that_are_no_plain_values_are_not_kept():
    made = []
    choice = Choice(lambda values: made.append(values) or demo_dataset("demo_textures"), {"values": object()})
    session.dataset(choice)
    session.dataset(choice)
    assert len(made) == 2

"""A score over one class can't be wrong, and is none."""

import pytest

import promptlab
from promptlab.support.errors import DatasetError


def test_one_class_is_not_scored(own_cache):
    data = promptlab.demo_dataset("demo_textures")
    learner = promptlab.ZeroShot(promptlab.load_clip("demo"), data.class_names[:1])
    with pytest.raises(DatasetError, match="one class, red striped pattern: with one class no answer could be wrong"):
        promptlab.evaluate(learner, data.test.of_classes([0]))

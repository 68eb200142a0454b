"""The tests that every learner passes, for learners of promptlab and of others.

A plug-in inherits them in three lines::

    from promptlab.learners.base.contract import LearnerContract

    class TestMine(LearnerContract):
        learner = MyLearner

They need no pytest at run time: each is a method that raises AssertionError. ``arguments`` are the learner's
hyper-parameters for the tests.
"""

from promptlab.learners.base.contract.case import NAMES, backbone
from promptlab.learners.base.contract.classes import FollowsItsClasses
from promptlab.learners.base.contract.saving import ComesBack, require_same
from promptlab.learners.base.contract.scores import ScoresImages
from promptlab.learners.base.contract.training import TrainsAsPlanned

__all__ = ["NAMES", "LearnerContract", "backbone", "require_same"]


class LearnerContract(ScoresImages, TrainsAsPlanned, FollowsItsClasses, ComesBack):
    """Shapes, what trains, the backbone untouched, cut fits, save and load, select, rebind, determinism, autocast."""

"""The tests that every learner passes, where plug-ins look for them."""

from promptlab.learners.base.contract import LearnerContract

__all__ = ["LearnerContract"]

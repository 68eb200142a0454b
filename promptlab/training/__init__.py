"""Training: the Lightning side of a stage, its data, its resume state."""

from promptlab.learners.base.optim import Optim

__all__ = ["Optim"]

"""Learners: one file each."""

from promptlab.learners.base import Batch, ClosedFormStage, GradientStage, PromptLearner, Stage
from promptlab.learners.coop import CoOp
from promptlab.learners.zero_shot import ZeroShot

__all__ = ["Batch", "ClosedFormStage", "CoOp", "GradientStage", "PromptLearner", "Stage", "ZeroShot"]

"""Learners: one file each."""

from promptlab.learners.base import Batch, ClosedFormStage, GradientStage, PromptLearner, Stage
from promptlab.learners.cocoop import CoCoOp
from promptlab.learners.coop import CoOp
from promptlab.learners.zero_shot import ZeroShot

__all__ = ["Batch", "ClosedFormStage", "CoCoOp", "CoOp", "GradientStage", "PromptLearner", "Stage", "ZeroShot"]

"""Learners: one file each."""

from promptlab.learners.base import Batch, ClosedFormStage, GradientStage, PromptLearner, Stage
from promptlab.learners.clip_adapter import CLIPAdapter
from promptlab.learners.cocoop import CoCoOp
from promptlab.learners.coop import CoOp
from promptlab.learners.kgcoop import KgCoOp
from promptlab.learners.linear_probe import LinearProbe
from promptlab.learners.maple import MaPLe
from promptlab.learners.ship import SHIP
from promptlab.learners.tip_adapter import TipAdapter, TipAdapterF
from promptlab.learners.zero_shot import ZeroShot

__all__ = [
    "SHIP",
    "Batch",
    "CLIPAdapter",
    "ClosedFormStage",
    "CoCoOp",
    "CoOp",
    "GradientStage",
    "KgCoOp",
    "LinearProbe",
    "MaPLe",
    "PromptLearner",
    "Stage",
    "TipAdapter",
    "TipAdapterF",
    "ZeroShot",
]

"""Protocols: each says what trains and what is scored."""

from promptlab.protocols.base_to_new import base_to_new
from promptlab.protocols.cross_dataset import cross_dataset
from promptlab.protocols.domain_generalization import domain_generalization
from promptlab.protocols.few_shot import few_shot
from promptlab.protocols.generalized_zero_shot import generalized_zero_shot
from promptlab.protocols.open_world import open_world
from promptlab.protocols.task import EvaluationSet, Task

__all__ = [
    "EvaluationSet",
    "Task",
    "base_to_new",
    "cross_dataset",
    "domain_generalization",
    "few_shot",
    "generalized_zero_shot",
    "open_world",
]

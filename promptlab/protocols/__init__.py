"""Protocols: each says what trains and what is scored."""

from promptlab.protocols.base_to_new import base_to_new
from promptlab.protocols.few_shot import few_shot
from promptlab.protocols.task import EvaluationSet, Task

__all__ = ["EvaluationSet", "Task", "base_to_new", "few_shot"]

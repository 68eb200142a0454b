"""Which learners' losses can be balanced over classes of unequal numbers."""

from __future__ import annotations

from promptlab.learners.base.balance import BalanceName
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.stages import GradientStage
from promptlab.support.errors import UsageError


def require_balance(learner: PromptLearner, name: BalanceName) -> None:
    """Refuse a balance for a learner whose loss has no cross-entropy to be balanced.

    Raises:
        UsageError: naming the learner and why.
    """
    if name != "none" and (why := why_unbalanced(learner)):
        raise UsageError(f"balance={name}: {why}; use balance=none")


def why_unbalanced(learner: PromptLearner) -> str:
    """Why a learner takes no balance; empty if it takes one."""
    stages = [stage for stage in learner.fit_plan() if isinstance(stage, GradientStage)]
    kind = type(learner).__name__
    if not stages:
        return f"{kind} is trained by no gradient"
    if all(stage.loss == learner.loss for stage in stages) and _balances(type(learner)):
        return ""
    return f"the loss of {kind} is not the cross-entropy that can be balanced"


def _balances(kind: type[PromptLearner]) -> bool:
    """Whether the class that defines the loss says that it does."""
    definer = next(of for of in kind.__mro__ if "loss" in vars(of))
    return issubclass(definer, PromptLearner) and "balances" in vars(definer) and definer.balances

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
    if name == "none":
        return
    stages = [stage for stage in learner.fit_plan() if isinstance(stage, GradientStage)]
    kind = type(learner).__name__
    if not stages:
        why = f"{kind} is trained by no gradient"
    elif not (all(stage.loss == learner.loss for stage in stages) and _balances(type(learner))):
        why = f"the loss of {kind} is not the cross-entropy that can be balanced"
    else:
        return
    raise UsageError(f"balance={name}: {why}; use balance=none")


def _balances(kind: type[PromptLearner]) -> bool:
    """Whether the class that defines the loss says that it does."""
    definer = next(of for of in kind.__mro__ if "loss" in vars(of))
    return issubclass(definer, PromptLearner) and "balances" in vars(definer) and definer.balances

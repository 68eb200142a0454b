"""A learner around another one: the inner learner is fitted first, then what the wrapper adds to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.around import INNER, AroundAnother
from promptlab.learners.base.facts import LearnerFacts
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.offers import OFFERED
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE
from promptlab.support.signatures import accepted


class Wrapper(AroundAnother):
    """Fits any learner, then itself; a subclass says what it adds by ``forward`` and :meth:`own_stages`.

    ``needs``, ``reads``, ``normalised``, ``crop_scale``, ``open_vocabulary`` and ``test_views`` are the inner
    learner's, ``searches``, ``uses_new_names`` and ``uses_unlabelled`` are true if they are of either. A method that
    trains both at once overrides ``fit_plan``. What the subclass has for each class it names in ``per_class``.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes.
        inner: makes the inner learner from ``clip``, ``class_names`` and what else its signature takes of ``offers``:
            a class, or a ``functools.partial`` of one.
        offers: what the wrapper itself got of what a run offers (:class:`~promptlab.learners.base.offers.Offers`);
            None is nothing.

    Raises:
        TypeError: for what no run offers.
        ValueError: if the inner learner scores all test images together or adapts to each: what is added to its logits
            would not.

    Example:
        >>> import promptlab
        >>> from promptlab.learners import CoOp
        >>> class Halved(Wrapper):
        ...     def __init__(self, clip, class_names, *, inner):
        ...         super().__init__(clip, class_names, inner)
        ...     def forward(self, inputs):
        ...         return self.inner(inputs) / 2
        >>> halved = Halved(promptlab.load_clip("demo"), ["ring", "star"], inner=CoOp)
        >>> [stage.name for stage in halved.fit_plan()]
        ['inner.context']
    """

    per_class: tuple[str, ...] = ("inner",)

    def __init__(
        self, clip: FrozenCLIP, class_names: Sequence[str], inner: Callable[..., PromptLearner], **offers: Any
    ) -> None:
        super().__init__(clip, class_names)
        unknown = offers.keys() - set(OFFERED)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} offers {', '.join(sorted(unknown))}: known are {', '.join(OFFERED)}"
            )
        given = {name: value for name, value in offers.items() if value is not None}
        self.inner = inner(clip, self.class_names, **accepted(inner, given))
        self.keep_files_read(inner)
        if self.inner.transductive or self.inner.test_time:
            raise ValueError(f"{type(self).__name__} can't be put around {type(self.inner).__name__}, which scores "
                             "test images by more than its forward")  # fmt: skip
        facts = self.facts(_facts_of(self.inner))
        self.needs, self.crop_scale, self.searches = facts.needs, facts.crop_scale, facts.chooser is not None
        self.reads, self.normalised, self.notes = facts.reads, facts.normalised, self.inner.notes
        self.uses_unlabelled = facts.uses_unlabelled
        self.open_vocabulary, self.test_views = self.inner.open_vocabulary, self.inner.test_views

    @classmethod
    def facts(cls, inner: LearnerFacts | None = None) -> LearnerFacts:
        """The inner learner's, with what the wrapper adds; its own class's alone without one."""
        own = LearnerFacts.of(cls)
        if inner is None:
            return own
        return replace(
            inner,
            chooser=own.chooser or inner.chooser,
            uses_new_names=own.uses_new_names or inner.uses_new_names,
            uses_unlabelled=own.uses_unlabelled or inner.uses_unlabelled,
        )

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, C); most read ``self.inner(inputs)``."""

    def own_stages(self) -> list[Stage]:
        """The wrapper's stages, after those of the inner learner; none unless overridden."""
        return []

    def fit_plan(self) -> list[Stage]:
        """The inner learner's stages, whose epochs are chosen by its own scores, then the wrapper's."""
        return [*(self._of_inner(stage) for stage in self.inner.fit_plan()), *self.own_stages()]

    def extend(
        self,
        class_names: Sequence[str],
        template: str = DEFAULT_TEMPLATE,
        own: Sequence[int | str | None] | None = None,
    ) -> Self:
        """The inner learner for its own classes among others.

        Raises:
            TypeError: if the inner learner can't.
            ValueError: as every learner's.
        """
        other = super().extend(class_names, template, own)
        other.inner = self.inner.extend(class_names, template, own)
        return other

    def tested_on(self, dataset: str, source: str) -> Self:
        """The inner learner for a dataset's test images."""
        inner = self.inner.tested_on(dataset, source)
        if inner is self.inner:
            return self
        other = self._relabelled(self.class_names)
        other.inner = inner
        return other

    def _of_inner(self, stage: Stage) -> Stage:
        if isinstance(stage, GradientStage):
            stage = replace(stage, scored=stage.scored or self.inner)
        return replace(stage, name=INNER + stage.name)


def _facts_of(learner: PromptLearner) -> LearnerFacts:
    """What a learner that is built says of itself; a class says the same of its instances."""
    inner = getattr(learner, "inner", None)
    return type(learner).facts(_facts_of(inner) if isinstance(inner, PromptLearner) else None)
